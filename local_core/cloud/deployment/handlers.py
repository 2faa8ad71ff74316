"""What the handlers of our own CloudFormation resource types share.

A handler turns a resource's properties into a request of the service's own API, so that a template
is held to the same rules as a call.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from ..api.errors import ApiError

Properties = Mapping[str, Any]
Created = tuple[str, dict[str, Any]]
"""A resource's physical id, and what Fn::GetAtt finds."""

_ABSENT = ("IdNotFoundException", "ResourceNotFoundException")


@contextlib.contextmanager
def absent_is_deleted() -> Iterator[None]:
    """Count a resource that is already gone as deleted, as CloudFormation does."""
    try:
        yield
    except ApiError as error:
        if error.code not in _ABSENT:
            raise
