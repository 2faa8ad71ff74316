"""The JSON body of a request, read field by field."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from .errors import InvalidArgumentsError

_QOS = {"0": 0, "1": 1, None: 1}
"""The service model's words. Left out, the classic nucleus publishes at least once."""


class Request:
    """Typed access to a request; each method raises InvalidArgumentsError for a wrong field."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    @classmethod
    def parse(cls, payload: bytes) -> Request:
        """Return the request in ``payload``, a JSON object."""
        try:
            fields = json.loads(payload)
        except ValueError:
            raise InvalidArgumentsError("The request is not JSON") from None
        if not isinstance(fields, dict):
            raise InvalidArgumentsError("The request is not a JSON object")
        return cls(fields)

    def text(self, name: str) -> str:
        """Return the required, non-empty text ``name``."""
        value = self._fields.get(name)
        if not isinstance(value, str) or not value:
            raise InvalidArgumentsError(f"{name} must be a non-empty string")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return the text ``name``, or None if it is left out."""
        return None if self._fields.get(name) is None else self.text(name)

    def blob(self, name: str) -> bytes:
        """Return the bytes ``name``, base64 on the wire; empty if left out."""
        value = self._fields.get(name) or ""
        try:
            return base64.b64decode(value, validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise InvalidArgumentsError(f"{name} must be base64 text") from None

    def qos(self) -> int:
        """Return the quality of service, 0 or 1."""
        value = self._fields.get("qos")
        if not isinstance(value, str | None) or value not in _QOS:
            raise InvalidArgumentsError('qos must be "0" or "1"')
        return _QOS[value]

    def key_path(self) -> tuple[str, ...]:
        """Return the path of a configuration key; empty if left out, which is the whole."""
        value = self._fields.get("keyPath") or []
        if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
            raise InvalidArgumentsError("keyPath must be a list of strings")
        return tuple(value)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Return the required JSON object ``name``."""
        value = self._fields.get(name)
        if not isinstance(value, dict):
            raise InvalidArgumentsError(f"{name} must be a JSON object")
        return value
