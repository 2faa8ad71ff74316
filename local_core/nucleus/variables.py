"""Recipe variables: the braces in a lifecycle script and in its environment.

https://docs.aws.amazon.com/greengrass/v2/developerguide/component-recipe-reference.html#component-recipe-variables
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .configuration import find
from .layout import CoreLayout
from .recipe import RecipeError

_VARIABLE = re.compile(r"\{([A-Za-z]+):([^{}]*)\}")
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class Variables:
    """What the variables of one component stand for."""

    layout: CoreLayout
    thing_name: str
    component: str
    version: str
    configuration: Mapping[str, Any]

    def substitute(self, text: str) -> str:
        """Return ``text`` with every variable replaced.

        Stricter than the classic nucleus, which leaves an unknown ``{…}`` unchanged: nucleus
        lite cuts a script off there and may still report success.

        Raises:
            RecipeError: naming the first brace that does not begin a known variable.
        """
        parts, at = [], 0
        while (brace := text.find("{", at)) >= 0:
            match = _VARIABLE.match(text, brace)
            value = self._value(match[1], match[2]) if match else None
            if match is None or value is None:
                shown = match[0] if match else text[brace : brace + _SHOWN_CHARACTERS]
                raise RecipeError(f"{shown} is not a recipe variable known to every nucleus")
            parts += [text[at:brace], value]
            at = match.end()
        return "".join([*parts, text[at:]])

    def _value(self, namespace: str, key: str) -> str | None:
        if namespace == "configuration":
            return self._configured(key)
        return {
            ("artifacts", "path"): str(self.layout.artifacts(self.component, self.version)),
            ("artifacts", "decompressedPath"): str(
                self.layout.unarchived(self.component, self.version)
            ),
            ("work", "path"): str(self.layout.work(self.component)),
            ("kernel", "rootPath"): str(self.layout.root),
            ("iot", "thingName"): self.thing_name,
        }.get((namespace, key))

    def _configured(self, pointer: str) -> str | None:
        try:
            value = find(self.configuration, pointer)
        except (KeyError, ValueError):  # no such key, or not a JSON pointer
            return None
        return value if isinstance(value, str) else json.dumps(value)
