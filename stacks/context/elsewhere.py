"""Context that is not about a core: keys of other apps, and keys of the CDK in the form of text.

The CDK's command merges the context of ``-c``, of ``cdk.json``, of ``cdk.context.json`` and of
``~/.cdk.json``, which is common to all apps of a user, and an app sees only the result.
https://docs.aws.amazon.com/cdk/v2/guide/context.html
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inference.schema import ConfigurationError, Fault, nearest
from stacks.context.keys import EXAMPLES, RETIRED
from stacks.context.report import option

_NEAR = 0.75
"""How similar a foreign key must be to one of ours to be a typo: ``tpoK``, not ``team``."""

_CDK_KEY = re.compile(
    r"@.*|.*:.*|(?:aws-)?cdk-.*|cli-telemetry|acknowledged-issue-numbers", re.DOTALL
)
_STRUCTURED: Mapping[str, tuple[type, object]] = {
    "@aws-cdk/core:permissionsBoundary": (dict, {"name": "my-boundary"}),
    "@aws-cdk/core:target-partitions": (list, ["aws", "aws-cn"]),
}
"""Keys of the CDK that need an object or a list: it ignores any other value silently."""


def is_cdk_key(key: str) -> bool:
    """Return whether the CDK itself writes or reads this key."""
    return _CDK_KEY.fullmatch(key) is not None


def without_cdk_keys(context: Mapping[str, object]) -> dict[str, object]:
    """Return the context without the keys that the CDK itself writes or reads."""
    return {key: value for key, value in context.items() if not is_cdk_key(key)}


def context_files() -> tuple[Path, ...]:
    """Return the files whose context the CDK's command adds to that of ``-c``."""
    here = Path.cwd()
    return here / "cdk.json", here / "cdk.context.json", Path("~/.cdk.json").expanduser()


def without_foreign_keys(context: Mapping[str, object], files: Iterable[Path]) -> dict[str, object]:
    """Return the context without the keys of other apps that stand in one of the ``files``.

    A key that is similar to one of ours stays, since it is probably a typo, and so does a key with
    another value than the file's, which comes from ``-c``: both are reported as unknown.
    """
    stored = [_context_in(path) for path in files]
    return {
        key: value
        for key, value in context.items()
        if not any(key in one and one[key] == value for one in stored)
        or key in EXAMPLES
        or key in RETIRED
        or nearest(key, EXAMPLES, cutoff=_NEAR)
    }


def structured_cdk_keys(context: Mapping[str, object]) -> dict[str, Any]:
    """Return the objects and lists of the CDK's own keys that ``-c`` gave as JSON text.

    Raises:
        ConfigurationError: for text that is not JSON, or not what the CDK needs for the key.
    """
    found, faults = {}, []
    for key, value in context.items():
        kind, example = _STRUCTURED.get(key, (object, ""))
        is_text = isinstance(value, str) and value.lstrip()[:1] in ("{", "[")
        if not is_cdk_key(key) or not (is_text or key in _STRUCTURED):
            continue
        try:
            parsed = json.loads(value) if isinstance(value, str) else value
        except (ValueError, RecursionError):
            parsed = None
        if parsed is None or not isinstance(parsed, kind):
            needed = "a JSON object" if kind is dict else "a JSON list" if kind is list else "JSON"
            correction = option(key, example) if example else ""
            faults.append(Fault(key, value, f"must be {needed}", correction))
        elif parsed is not value:
            found[key] = parsed
    if faults:
        raise ConfigurationError(faults)
    return found


def _context_in(path: Path) -> Mapping[str, object]:
    """Return the context in a file of the CDK, which reports one that it cannot read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if isinstance(content, dict) and path.name != "cdk.context.json":
        content = content.get("context")
    return content if isinstance(content, dict) else {}
