"""What axe-core finds on a page: https://github.com/dequelabs/axe-core/blob/develop/doc/API.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")


def grave_violations(page: Any) -> list[str]:
    """Return the serious and critical violations, each with the elements that it is about."""
    if not SCRIPT.exists():
        pytest.skip("axe-core is not installed: npm ci")
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))  # the page's policy forbids a script element
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations', 'passes']})")
    assert len(found["passes"]) > 10, "axe has looked at something"
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes']]}"
        for one in found["violations"]
        if one["impact"] in GRAVE
    ]
