"""What the tests of this layer share beyond tests/conftest.py."""

import functools
from types import CodeType

import datasette.app
import jinja2


class Compiled(jinja2.BytecodeCache):
    """The templates that this process has compiled; each Datasette of a test would compile them anew."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, ...], CodeType] = {}

    def get_cache_key(self, name: str, filename: str | None = None) -> str:  # noqa: ARG002, every test has its folder
        return name

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        bucket.code = self.kept.get(self._key(bucket))

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self.kept[self._key(bucket)] = bucket.code

    def _key(self, bucket: jinja2.bccache.Bucket) -> tuple[str, ...]:
        return bucket.key, bucket.checksum, *sorted(bucket.environment.extensions)


datasette.app.Environment = functools.partial(datasette.app.Environment, bytecode_cache=Compiled())
