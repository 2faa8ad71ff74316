"""What a message carries: JSON if it can be kept as such, else its text, else its bytes."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import Any, Self

_MAX_DEPTH = 100
"""How deep JSON may be nested; what cores publish has a depth of five."""


@dataclass(frozen=True)
class Payload:
    """A payload; nothing of it is lost, whatever it is."""

    content: bytes
    value: Any
    """Its JSON; None if ``is_text``."""
    is_text: bool

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Read a payload.

        It is text unless it is JSON that every reader understands in one way: no duplicate keys,
        no NaN, no number outside of float64, no nesting below a depth of 100.
        """
        try:
            value = json.loads(
                content.decode(),
                object_pairs_hook=_object,
                parse_constant=_refuse,
                parse_float=_finite,
            )
        except (ValueError, RecursionError):
            return cls(content, None, True)
        return cls(content, None, True) if _is_deep(value) else cls(content, value, False)

    @property
    def text(self) -> str:
        """Its content as text; what is not UTF-8 is replaced."""
        return self.content.decode(errors="replace")

    def to_json(self) -> dict[str, Any]:
        """Return ``payload``, and what is not UTF-8 in full as ``payloadBase64``."""
        if not self.is_text:
            return {"payload": self.value}
        try:
            return {"payload": self.content.decode()}
        except UnicodeDecodeError:
            exact = base64.b64encode(self.content).decode()
            return {"payload": self.text, "payloadBase64": exact}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate keys")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is outside of float64")
    return number


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, list | dict)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
