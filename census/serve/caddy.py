"""Set up Caddy: what its Caddyfile takes from the environment."""

import json
import os
import re
import socket
import subprocess

from census.serve.database import ROOT


def taken(port: int) -> bool:
    """Return whether somebody listens on this port of the address that Caddy is to listen on, BIND_ADDRESS."""
    address = (os.environ.get("BIND_ADDRESS") or "127.0.0.1").split()[0]
    address = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}.get(address, address)  # noqa: S104
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


def buffering() -> str:
    """Return the option that makes the installed Caddy read all of a request before it passes it on."""
    output = subprocess.run(
        ["caddy", "version"], capture_output=True, encoding="utf-8", errors="replace", check=True
    ).stdout
    version = re.search(r"(\d+)\.(\d+)", output)
    if version and (int(version[1]), int(version[2])) < (2, 7):
        return "buffer_requests"
    return "request_buffers 2MiB"


def strip_prefix() -> str:
    """Return what makes Caddy take the prefix of settings.json (base_url) off the paths that have it; empty without."""
    prefix: str = json.loads((ROOT / "settings.json").read_text("utf-8")).get("base_url", "").rstrip("/")
    return f"uri strip_prefix {prefix}" if prefix else ""


def site_address(stated: str) -> str:
    """Return the value of SITE_ADDRESS for Caddy: one of plain HTTP that names a host answers by any other name too.

    By a name that it does not know Caddy gives an empty 200, which a load balancer would take for ready.
    """
    named = re.fullmatch(r"http://[^\s,:/]+(:\d+)?/?", stated)
    return f"{stated}, http://{named[1] or ':80'}" if named else stated
