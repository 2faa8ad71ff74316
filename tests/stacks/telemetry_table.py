"""The resources that keep telemetry, as the reviewed templates have them, for any core or fleet."""

import json
from pathlib import Path
from typing import Any

from stacks import names

_SNAPSHOTS = Path(__file__).parent / "snapshots"
_PREFIX = "LastWords"
OUTPUT = "TelemetryTable"


def of_core(core_name: str) -> dict[str, Any]:
    """Return the resources of the stack of a core."""
    rule = names.rule_name(names.stack_name("Demo"))
    return _resources("v2", {rule: names.rule_name(names.stack_name(core_name)), "Demo": core_name})


def of_fleet(fleet_name: str) -> dict[str, Any]:
    """Return the resources of the stack of a fleet."""
    rule = names.rule_name(names.fleet_stack_name("shop-floor"))
    new = names.rule_name(names.fleet_stack_name(fleet_name))
    return _resources("v2-fleet", {rule: new, "shop-floor": fleet_name})


def output() -> dict[str, str]:
    """Return the output with the name of the table."""
    template = json.loads((_SNAPSHOTS / "v2.json").read_text(encoding="utf-8"))
    return {OUTPUT: template["Outputs"][OUTPUT]["Value"]}


def _resources(snapshot: str, renamed: dict[str, str]) -> dict[str, Any]:
    template = json.loads((_SNAPSHOTS / f"{snapshot}.json").read_text(encoding="utf-8"))
    found = {k: v for k, v in template["Resources"].items() if k.startswith(_PREFIX)}
    text = json.dumps(found)
    for old, new in renamed.items():
        text = text.replace(old, new)
    resources: dict[str, Any] = json.loads(text)
    return resources
