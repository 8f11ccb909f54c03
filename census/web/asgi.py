"""The types of ASGI, as Starlette names them."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Wrapper = Callable[[App], App]

# Of Datasette's hooks
Routes = list[tuple[str, Callable[..., object]]]
Links = list[dict[str, str]]
WhenStarted = Callable[[], Awaitable[None]]
