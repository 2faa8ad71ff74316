"""Makes this process work with a local cloud, whatever its user's environment says of AWS."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_PREFIX = "AWS_"
_KEPT = "AWS_ENDPOINT_URL"
"""It is what names the local cloud to a core."""
_NO_FILES = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
_NO_PROXY = ("no_proxy", "NO_PROXY")
_HERE = ("127.0.0.1", "localhost")


@contextmanager
def for_a_local_cloud() -> Iterator[None]:
    """Hide the user's own account from the AWS SDKs, and this machine from proxies, for a while.

    A profile that is not in the configuration files would be an error, and settings of one that is
    would lead elsewhere.
    """
    before = dict(os.environ)
    found = next((before[name] for name in _NO_PROXY if before.get(name)), "")
    for name in before:
        if name.startswith(_PREFIX) and name != _KEPT:
            del os.environ[name]
    os.environ.update({**_NO_FILES, **dict.fromkeys(_NO_PROXY, _without_proxy(found))})
    try:
        yield
    finally:
        _restore(before)


def _without_proxy(found: str) -> str:
    hosts = [host.strip() for host in found.split(",") if host.strip()]
    return ",".join([*hosts, *(host for host in _HERE if host not in hosts)])


def _restore(before: Mapping[str, str]) -> None:
    for name in (*_NO_FILES, *_NO_PROXY):
        os.environ.pop(name, None)
    os.environ.update(before)
