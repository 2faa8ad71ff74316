"""How fast a deployment reaches a fleet: AWS's limits at synthesis, and what the template says."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from inference import schema
from stacks.context.rollout import Rollout
from tests.stacks.configurations import ROLLOUT
from tests.stacks.configurations import template as configuration
from tests.stacks.synthesis import only
from tests.stacks.test_context_keys import FLEET, rule_of, settings

FLEET_STACK = "DlrInferenceFleet-shop-floor"


def changed(path: str, value: object) -> dict[str, Any]:
    """The example with another value at a dotted path; None removes it."""
    found: Any = copy.deepcopy(ROLLOUT)
    *way, last = path.split(".")
    inner = found
    for part in way:
        inner = inner[int(part) if part.isdecimal() else part]
    inner[last] = value
    if value is None:
        del inner[last]
    return dict(found)


def fault_of(value: object) -> schema.Fault:
    with pytest.raises(schema.ConfigurationError) as caught:
        Rollout.parse(value)
    (fault,) = caught.value.faults
    return fault


def test_deployment_has_the_rollout_in_the_words_of_cloudformation() -> None:
    deployment = only(
        configuration("v2-fleet-rollout", FLEET_STACK), "AWS::GreengrassV2::Deployment"
    )
    assert deployment["IotJobConfiguration"] == {
        "AbortConfig": {
            "CriteriaList": [
                {
                    "Action": "CANCEL",
                    "FailureType": "FAILED",
                    "MinNumberOfExecutedThings": 5,
                    "ThresholdPercentage": 20,
                }
            ]
        },
        "JobExecutionsRolloutConfig": {
            "ExponentialRate": {
                "BaseRatePerMinute": 5,
                "IncrementFactor": 2,
                "RateIncreaseCriteria": {"NumberOfSucceededThings": 5},
            },
            "MaximumPerMinute": 100,
        },
        "TimeoutConfig": {"InProgressTimeoutInMinutes": 90},
    }


def test_without_a_rollout_all_cores_get_the_deployment_at_once() -> None:
    deployment = only(configuration("v2-fleet", FLEET_STACK), "AWS::GreengrassV2::Deployment")
    assert deployment["IotJobConfiguration"] == {
        "TimeoutConfig": {"InProgressTimeoutInMinutes": 60}
    }


@pytest.mark.parametrize("as_file", [True, False])
def test_rollout_is_given_as_text_or_as_a_file(tmp_path: Path, as_file: bool) -> None:
    text = json.dumps(ROLLOUT)
    (tmp_path / "rollout.json").write_text(text)
    given = str(tmp_path / "rollout.json") if as_file else text
    found = settings(tmp_path, **FLEET, fleetName="shop-floor", rollout=given)
    assert found.rollout == Rollout.parse(ROLLOUT)


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("maximumPerMinute", 0, "must be a whole number from 1 to 1000"),
        ("maximumPerMinute", 1_001, "must be a whole number from 1 to 1000"),
        ("exponentialRate.baseRatePerMinute", 1_001, "must be a whole number from 1 to 1000"),
        ("exponentialRate.incrementFactor", 1.0, "must be a number from 1.1 to 5"),
        ("exponentialRate.incrementFactor", 1.55, "must be a number from 1.1 to 5, with at most 1"),
        ("exponentialRate.incrementFactor", None, "is required"),
        ("exponentialRate.rateIncreaseCriteria.numberOfSucceededThings", 0, "must be a whole"),
        ("abortCriteria.0.thresholdPercentage", 101, "must be a number from 0.01 to 100"),
        ("abortCriteria.0.thresholdPercentage", 33.333, "must be a number from 0.01 to 100, with"),
        ("abortCriteria.0.failureType", "BROKEN", "must be one of FAILED, REJECTED, TIMED_OUT"),
        ("abortCriteria.0.minNumberOfExecutedThings", None, "is required"),
        ("abortCriteria.0.action", "STOP", "must be one of CANCEL"),
        ("inProgressTimeoutInMinutes", 10_081, "must be a whole number from 1 to 10080"),
        ("perMinute", 5, "unknown key"),
    ],
)
def test_what_aws_would_refuse_is_refused_at_synthesis(path: str, value: object, rule: str) -> None:
    fault = fault_of(changed(path, value))
    assert fault.key == "rollout." + path.replace(".0", "[0]")
    assert fault.rule.startswith(rule)


@pytest.mark.parametrize(
    "criteria", [{}, {"numberOfNotifiedThings": 5, "numberOfSucceededThings": 5}]
)
def test_rate_grows_by_one_count(criteria: dict[str, int]) -> None:
    fault = fault_of(changed("exponentialRate.rateIncreaseCriteria", criteria))
    assert fault.key == "rollout.exponentialRate.rateIncreaseCriteria"
    assert fault.rule == "must hold either numberOfNotifiedThings or numberOfSucceededThings"


@pytest.mark.parametrize("value", ["{", "[]", 7, {"abortCriteria": []}, {"exponentialRate": 5}])
def test_other_values_are_refused(value: object) -> None:
    assert fault_of(value).rule


def test_key_that_stands_twice_is_named() -> None:
    text = '{"maximumPerMinute": 5, "maximumPerMinute": 50}'
    assert "the key 'maximumPerMinute' appears twice" in fault_of(text).rule


@pytest.mark.parametrize("factor", [1.1, 1.7, 2, 4.9, "2.3"])
def test_digits_that_aws_iot_takes_are_accepted(factor: object) -> None:
    assert Rollout.parse(changed("exponentialRate.incrementFactor", factor)).exponential
    assert Rollout.parse(changed("abortCriteria.0.thresholdPercentage", 33.33)).abort


def test_every_fault_is_reported() -> None:
    value = {**changed("maximumPerMinute", 0), "inProgressTimeoutInMinutes": 0}
    with pytest.raises(schema.ConfigurationError) as caught:
        Rollout.parse(value)
    assert len(caught.value.faults) == 2


def test_single_core_has_no_rollout(tmp_path: Path) -> None:
    rule = rule_of(tmp_path, "rollout", rollout=json.dumps(ROLLOUT))
    assert rule == "requires fleetName: the deployment of one core goes to that core at once"


def test_canary_waits_an_hour_unless_told_otherwise() -> None:
    assert Rollout.parse("{}").canary_minutes is None
    assert Rollout.parse('{"canary": {}}').canary_minutes == 60
    assert Rollout.parse('{"canary": {"waitInMinutes": 5}}').canary_minutes == 5


@pytest.mark.parametrize("canary", [{"waitInMinutes": 721}, {"minutes": 5}, True])
def test_canary_that_is_not_one_is_named(canary: object) -> None:
    with pytest.raises(schema.ConfigurationError) as refused:
        Rollout.parse({"canary": canary})
    assert all(fault.key.startswith("rollout.canary") for fault in refused.value.faults)
