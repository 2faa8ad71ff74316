"""Accepted templates, in a form in which a change can be read: one line per value."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .synthesis import Synthesised

_CHANGING_IDS = (
    (re.compile(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}"), r"\1<digest>"),
    (re.compile(r"\b(Canary(?:Handle|Verdict))[0-9a-f]{8}[0-9A-F]{8}\b"), r"\1<digest>"),
)
"""Logical ids with a digest: of a function, and of what the wait for a canary is about."""
_MASKED = {"ContentDigest": "<content>", "SettingsDigest": "<settings>", "AskedAt": "<time>"}
"""What is shown of digests, and of the time of synthesis, which nobody can review."""


@dataclass(frozen=True)
class Comparison:
    """A template and the accepted one. ``before`` is empty for a new core."""

    template: Path
    snapshot: Path
    before: str
    now: str

    @property
    def differs(self) -> bool:
        """Whether the template differs from the accepted one."""
        return self.before != self.now

    @property
    def diff(self) -> list[str]:
        """The change as a unified diff; for a new core, one line that says so."""
        if not self.before:
            return [f"{self.snapshot}: is new"]
        before, now = self.before.splitlines(), self.now.splitlines()
        names = (f"accepted {self.snapshot}", f"now {self.template}")
        return list(difflib.unified_diff(before, now, *names, lineterm="", n=4))

    def accept(self) -> None:
        """Accept the template."""
        self.snapshot.parent.mkdir(parents=True, exist_ok=True)
        self.snapshot.write_text(self.now, encoding="utf-8")


def compare(core: Synthesised, template: Path, folder: Path) -> Comparison:
    """Compare a core's template with the accepted one in ``folder``."""
    snapshot = folder / template.name.replace(".template.json", ".json")
    before = snapshot.read_text(encoding="utf-8") if snapshot.exists() else ""
    return Comparison(template, snapshot, before, readable_text(template))


def left_over(folder: Path, wanted: Iterable[Path]) -> list[Path]:
    """Return the accepted templates that no core has any more."""
    return sorted(set(folder.glob("*.json")) - set(wanted))


def readable_text(template: Path) -> str:
    """Return a template as JSON with sorted keys, without what only stands for files' content.

    The digests of its assets and of the component's content change with each edit of the code.
    """
    values = json.loads(template.read_text(encoding="utf-8"))
    text = json.dumps(readable(values), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    for digest in asset_digests(template):
        text = text.replace(digest, "<digest>")
    for pattern, shown in _CHANGING_IDS:
        text = pattern.sub(shown, text)
    return text


def asset_digests(template: Path) -> Sequence[str]:
    """Return the digests of the files that are published with a template's stack."""
    manifest = template.with_name(template.name.replace(".template.", ".assets."))
    if not manifest.exists():
        return ()
    values = json.loads(manifest.read_text(encoding="utf-8"))
    return sorted(values.get("files", {}))


def readable(value: Any) -> Any:
    """Return ``value`` with JSON in texts, such as a recipe, as the object that it is.

    It stands below ``Fn::ToJsonString``. A text of several parts is one, with the references in it
    as ``Fn::Sub`` writes them.
    """
    if isinstance(value, list):
        return [readable(item) for item in value]
    if isinstance(value, str) or _is_joined(value):
        text = value if isinstance(value, str) else _joined(value["Fn::Join"][1])
        found = _json_object(text)
        if found is not None:
            return {"Fn::ToJsonString": readable(found)}
        return value if isinstance(value, str) else {"Fn::Sub": text}
    if isinstance(value, dict):
        return {key: _masked(key, readable(item)) for key, item in value.items()}
    return value


def _masked(key: str, value: Any) -> Any:
    return _MASKED.get(key, value) if isinstance(value, str) else value


def _is_joined(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"Fn::Join"} and value["Fn::Join"][0] == ""


def _joined(parts: Sequence[Any]) -> str:
    return "".join(part if isinstance(part, str) else _reference(part) for part in parts)


def _reference(value: Any) -> str:
    """Return a reference as ``Fn::Sub`` writes it; quotes would end the text that it stands in."""
    if value.keys() == {"Ref"}:
        return f"${{{value['Ref']}}}"
    if value.keys() == {"Fn::GetAtt"}:
        return f"${{{'.'.join(value['Fn::GetAtt'])}}}"
    if value.keys() == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
        return str(value["Fn::Sub"])
    return "${" + json.dumps(value, sort_keys=True).replace('"', "'") + "}"


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
