"""The job document of a deployment: what it holds, and how large nucleus lite lets it be."""

import json
from pathlib import Path
from typing import Any

import pytest

from inference import schema, settings
from stacks.component import job_document
from stacks.context.report import format_faults
from stacks.generations import read_settings
from tests.stacks.configurations import template
from tests.stacks.synthesis import all_of, context, recipe_of, resolved, write_profile


def strategies(count: int) -> dict[str, Any]:
    return {
        f"Configuration{number}": {
            "content-type": "image/jpeg",
            "s3-prefix": f"confidence-lower-than-{number}",
            "file-ext": "jpg",
            "sampling-strategy": {"strategy-name": "LEAST_CONFIDENCE", "threshold": 0.5},
        }
        for number in range(count)
    }


def others_with(text: str) -> dict[str, Any]:
    return {"com.org.A": {"version": "1.4.0", "configuration": {"text": text}}}


def check(folder: Path, **values: object) -> None:
    job_document.check(read_settings(context(folder, **values)))


def fault_of(folder: Path, **values: object) -> schema.Fault:
    with pytest.raises(schema.ConfigurationError) as caught:
        check(folder, **values)
    (fault,) = caught.value.faults
    return fault


def test_nine_strategies_pass_with_every_name_at_its_longest(tmp_path: Path) -> None:
    check(tmp_path, coreName="n" * 64, feedbackConfiguration=strategies(9))
    bucket = "b" * 63
    check(tmp_path, feedbackBucketName=bucket, feedbackConfiguration=strategies(9))


def test_twenty_strategies_are_refused_with_size_limit_and_what_fits(tmp_path: Path) -> None:
    fault = fault_of(tmp_path, feedbackConfiguration=strategies(20))
    assert fault.key == "feedbackConfiguration"
    assert fault.rule.startswith("makes the job document of the deployment 5,")
    assert "bytes; nucleus lite accepts 3,286, so feedbackConfiguration must be" in fault.rule
    assert "bbb" not in str(fault)  # no bucket was given
    count = int(fault.rule.split("its first ")[1].split(" ")[0])
    assert fault.rule.endswith(f"its first {count} of 20 entries fit")
    assert fault.example == "-c feedbackConfiguration=feedback.json"
    check(tmp_path, feedbackConfiguration=strategies(count))
    assert fault_of(tmp_path, feedbackConfiguration=strategies(count + 1))


def test_document_of_a_fleet_is_counted_too(tmp_path: Path) -> None:
    fleet = {"coreName": None, "certificateId": None, "fleetName": "g" * 64}
    check(tmp_path, **fleet, feedbackConfiguration=strategies(9))
    fault = fault_of(tmp_path, **fleet, feedbackConfiguration=strategies(20))
    assert "bytes; nucleus lite accepts 3,286" in fault.rule


@pytest.mark.parametrize("feedback", ["true", "false"])
def test_components_of_others_are_named_if_they_take_the_most_room(
    tmp_path: Path, feedback: str
) -> None:
    fault = fault_of(tmp_path, feedback=feedback, components=others_with("x" * 4_000))
    assert (fault.key, fault.value) == ("components", "com.org.A=1.4.0")
    assert "so components must be" in fault.rule


def test_longer_name_of_a_canary_s_group_counts(tmp_path: Path) -> None:
    fleet = {"coreName": None, "certificateId": None, "fleetName": "g", "feedback": "false"}
    rollout: dict[str, object] = {"canary": {}}
    parsed = read_settings(context(tmp_path, **fleet, components=others_with("")))
    configuration = dict(parsed.inference.to_configuration(with_defaults=False))
    smallest = job_document.size(
        job_document.document(
            group="g",
            deployment=parsed.names.stack,
            component=parsed.names.component,
            configuration=configuration,
            others=parsed.other_components,
        )
    )
    others = others_with("x" * (job_document.MAX_BYTES - smallest))
    check(tmp_path, **fleet, components=others)
    assert fault_of(tmp_path, **fleet, rollout=rollout, components=others).key == "components"


@pytest.mark.parametrize("key", ["classes", "imageSource"])
def test_key_that_takes_the_most_room_is_named(tmp_path: Path, key: str) -> None:
    labels = [f"label number {number}" for number in range(300)]
    path = write_profile(tmp_path / "many", "\n".join(labels))
    sources = json.dumps([f"rtsp://user:secret@camera-{'x' * 400}-{n}/" for n in range(10)])
    fault = fault_of(
        tmp_path, modelProfile=path, **{key: {"classes": labels, "imageSource": sources}[key]}
    )
    assert fault.key == key
    report = format_faults(schema.ConfigurationError([fault]))
    assert "secret" not in report


def test_document_counted_is_the_one_that_is_deployed() -> None:
    """Only what nobody knows before the deployment differs."""
    found = template("v2-own-bucket")
    (deployment,) = resolved(all_of(found, "AWS::GreengrassV2::Deployment"))
    ((component, deployed),) = deployment["Components"].items()
    merge = json.loads(deployed["ConfigurationUpdate"]["Merge"])
    counted = job_document.document(
        group="Demo_Group",
        deployment=deployment["DeploymentName"],
        component=component,
        configuration=merge,
    )
    assert component == recipe_of(found)["ComponentName"]
    assert counted["components"][component]["configurationUpdate"] == {
        "reset": deployed["ConfigurationUpdate"]["Reset"],
        "merge": merge,
    }
    policies = deployment["DeploymentPolicies"]
    assert counted["failureHandlingPolicy"] == policies["FailureHandlingPolicy"]
    assert counted["componentUpdatePolicy"]["action"] == policies["ComponentUpdatePolicy"]["Action"]


def test_deployment_repeats_no_default_and_no_permission_of_the_recipe() -> None:
    (deployment,) = resolved(
        all_of(template("v2-without-feedback"), "AWS::GreengrassV2::Deployment")
    )
    (component,) = deployment["Components"].values()
    assert json.loads(component["ConfigurationUpdate"]["Merge"]) == {"coreName": "Demo"}


def test_settings_without_defaults_are_the_same_settings(tmp_path: Path) -> None:
    changed = read_settings(
        context(tmp_path, confidenceThreshold="0", topK="3", classes="cat", embeddedMetrics="true")
    ).inference
    written = changed.to_configuration(with_defaults=False)
    assert written.keys() == {
        *("coreName", "confidenceThreshold", "topK", "classes", "embeddedMetrics"),
        "feedbackConfiguration",
    } - ({"feedbackConfiguration"} if changed.feedback is None else set())
    assert settings.InferenceSettings.from_configuration(dict(written)) == changed


def test_packet_of_the_largest_document_fits_into_the_broker_s_buffer() -> None:
    thing = "n" * 64 + "_Core"
    topic = f"$aws/things/{thing}/jobs/$next/namespace-aws-gg-deployment/get/accepted"
    execution = {
        "jobId": "0" * 64,
        "status": "IN_PROGRESS",
        "queuedAt": 1_800_000_000,
        "lastUpdatedAt": 1_800_000_000,
        "startedAt": 1_800_000_000,
        "versionNumber": 999_999,
        "executionNumber": 999_999,
        "thingName": thing,
        "jobDocument": {},
    }
    answer = {"clientToken": "0" * 64, "timestamp": 1_800_000_000, "execution": execution}
    packet = len(topic) + job_document.size(answer) + job_document.MAX_BYTES
    assert packet <= job_document.MAX_PACKET_BYTES
