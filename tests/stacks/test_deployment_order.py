"""A deployment to cores comes last, because a rollback cannot take it back."""

import json
import re
from typing import Any

import pytest

from tests.stacks.configurations import template

FLEET = "DlrInferenceFleet-shop-floor"
DEPLOYMENT = "AWS::GreengrassV2::Deployment"


def needed_by(resources: dict[str, Any]) -> dict[str, set[str]]:
    """By the logical id of each resource, all that are created before it."""
    needed = {
        name: set(re.findall(r"\w+", json.dumps(resource))) & set(resources) - {name}
        for name, resource in resources.items()
    }
    while True:
        more = {name: one.union(*(needed[other] for other in one)) for name, one in needed.items()}
        if more == needed:
            return needed
        needed = more


@pytest.mark.parametrize(
    ("name", "stack", "apart"),
    [
        ("v2", "Demo", set()),
        ("v2-watched", "Demo", set()),
        ("v2-fleet-watched", FLEET, {"GroupPolicy"}),  # of the guard, which comes after it
    ],
)
def test_deployment_begins_when_no_other_part_can_fail(
    name: str, stack: str, apart: set[str]
) -> None:
    """But for what needs the deployment itself."""
    resources = template(name, stack)["Resources"]
    needed = needed_by(resources)
    [deployment] = [key for key, one in resources.items() if one["Type"] == DEPLOYMENT]
    before = needed[deployment] | {deployment}
    after = {key for key, one in needed.items() if deployment in one}
    assert {key[:-8] for key in set(resources) - before - after} == apart


@pytest.mark.parametrize("name", ["v2-fleet", "v2-fleet-rollout", "v2-fleet-watched"])
def test_whatever_fails_undoes_the_protection_of_a_fleet(name: str) -> None:
    """But for the function that lifts it, and what that needs."""
    resources = template(name, FLEET)["Resources"]
    needed = needed_by(resources)
    [protection] = [k for k, one in resources.items() if one["Type"] == "Custom::FleetProtection"]
    before = needed[protection] | {protection}
    assert all(protection in needed[key] for key in set(resources) - before)
    assert all(key.startswith(("CustomResources", "Protection")) for key in before)
