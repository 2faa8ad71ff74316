"""A V2 core, from ``cdk deploy`` by the real CLI to the end of its stack.

Each test finds the core deployed with the user's context and running, and can run alone.
AWS::GreengrassV2::ComponentVersion, AWS::GreengrassV2::Deployment and AWS::IoT::RoleAlias are
served by our own handlers, every other type by ministack.
"""

from __future__ import annotations

import gzip
import json
import shutil
import stat
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from inference.feedback.configuration import default_configuration
from inference.names import FEEDBACK_STATUS_TOPIC
from local_core.device.credentials import CoreCredentials, CredentialsError
from local_core.device.mqtt import MqttConnection, tls_context
from local_core.device.setup import create_certificate
from local_core.device.v2.configuration import read_configuration
from local_core.device.watcher import Watcher
from mli.view.local import LocalPage
from stacks.component.access_control import access_control
from stacks.names import component_name, published_topics, rule_name
from tests.cloud.support import StackError
from tests.e2e.expected import chosen
from tests.e2e.rig import SEED, Rig, files_below
from tests.waiting import eventually

GENERATION, INSTALLED = 2, True
QUEUE = "arn:aws:sqs:us-east-1:000000000000:tripods"
CHANGED = {
    "confidenceThreshold": "0.9",
    "messageFormat": "envelope",
    "dashboard": "true",
    "alarmEmail": "ops@example.com",
    "actions": json.dumps([{"name": "seen", "label": "n04485082 tripod", "target": QUEUE}]),
}
"""What the deployer's second policy is needed for is created, and deleted by the next test."""
SLIDER_SECONDS = 10.0
"""On a busy machine; it takes less than two on an idle one."""
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_deployed_by_our_handlers_of_component_version_deployment_and_role_alias(rig: Rig) -> None:
    assert rig.first_verdict == ("SUCCEEDED", "SUCCESSFUL")
    lists = rig.next_predictions(8)
    assert {one["prediction"].split()[1] for found in lists for one in found} >= {
        "tripod",
        "espresso",
    }
    assert stat.S_IMODE(rig.prepared.certificate.private_key.stat().st_mode) == 0o600


def test_core_has_reported_by_our_greengrassv2_api(rig: Rig) -> None:
    greengrass = rig.client("greengrassv2")
    assert greengrass.get_core_device(coreDeviceThingName=rig.thing)["status"] == "HEALTHY"
    deployment = _effective(rig)[0]
    assert deployment["deploymentId"] == _deployments(rig)[0]["deploymentId"]
    assert deployment["coreDeviceExecutionStatus"] == "SUCCEEDED"
    reply = greengrass.list_installed_components(
        coreDeviceThingName=rig.thing, topologyFilter="ALL"
    )
    states = {c["componentName"]: c["lifecycleState"] for c in reply["installedComponents"]}
    assert states == {
        "DlrInference.E2E-V2": "RUNNING",
        "aws.greengrass.TokenExchangeService": "RUNNING",
    }


def test_component_that_runs_is_the_artifact_of_the_template_byte_for_byte(rig: Rig) -> None:
    assembly = rig.shared.cloud.data / "cdk.out"
    template = (assembly / f"{rig.prepared.stack}.template.json").read_text()
    manifest = json.loads((assembly / f"{rig.prepared.stack}.assets.json").read_text())
    (code,) = [
        assembly / asset["source"]["path"]
        for asset in manifest["files"].values()
        if (assembly / asset["source"]["path"] / "component.py").exists()
    ]
    digest = code.name.removeprefix("asset.")
    assert digest in template
    (unpacked,) = rig.prepared.root.glob(f"packages/artifacts-unarchived/*/*/{digest}")
    assert files_below(unpacked) == files_below(code)
    (archive,) = rig.prepared.root.glob(f"packages/artifacts/*/*/{digest}.zip")
    assert zipfile.ZipFile(archive).testzip() is None
    bucket, _, key = rig.context["modelS3Uri"].removeprefix("s3://").partition("/")
    original = rig.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert _model_on_core(rig) == original


def test_bucket_holds_exactly_what_the_three_strategies_choose(rig: Rig) -> None:
    made = rig.record()
    frames, samples = len(made.predictions), made.samples
    assert Counter(one["config-id"] for one in samples) == chosen(frames, Random(str(SEED)))
    assert sorted(rig.key_of(one) for one in samples) == made.keys
    outcomes = Counter(one["response"]["status"] for one in made.statuses)
    assert outcomes == {
        "success": len(samples),
        "sample_dropped_by_strategy": 3 * frames - len(samples),
    }
    told = {one["response"]["s3_response"]["key"] for one in made.statuses if _succeeded(one)}
    assert told == set(made.keys)


def test_each_sample_says_which_core_model_and_strategy_it_is_of(rig: Rig) -> None:
    s3, bucket = rig.client("s3"), rig.outputs["FeedbackBucket"]
    keys = eventually(lambda: rig.shared.samples(bucket))
    prefixes = {"random-sampling", "confidence-lower-than-50", "entropy"}
    for key in keys[-5:]:
        prefix, model, _ = key.split("/")
        said = s3.head_object(Bucket=bucket, Key=key)["Metadata"]
        assert said["core"] == rig.core_name
        assert model == f"{json.loads(said['model'])}-{said['model-sha256'][:12]}"
        assert prefix in prefixes
        [[config_id, *_]] = json.loads(said["strategies"])
        assert default_configuration().find(config_id).prefix == prefix  # type: ignore[union-attr]
        assert int(said["predictions-left-out"]) + len(json.loads(said["predictions"])) > 0


@pytest.mark.browser
def test_slider_of_the_page_changes_the_running_core(
    rig: Rig, page: Any, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    cloud, process = rig.shared.cloud, rig.processes()
    with (
        LocalPage(cloud) as viewed,
        Watcher(
            cloud.client("iot"),
            broker=rig.watcher.broker,
            root_ca=cloud.ca_path,
            folder=tmp_path,
            on_message=lambda message: viewed.receive(message.topic, message.payload),
            name="viewer",
        ),
    ):
        page.goto(viewed.address)
        said = page.locator("#settings-state")
        said.filter(has_text=f"These are the settings of the core {rig.core_name}.").wait_for()
        page.locator("#threshold").fill("1")
        page.get_by_role("switch", name="Entropy").uncheck()
        clicked = time.monotonic()
        page.locator("#apply").click()
        page.locator("#rows td", has_text="nothing found").first.wait_for()
        seconds = time.monotonic() - clicked
        record_property("seconds", round(seconds, 2))
        print(f"the slider took effect after {seconds:.2f} s")
        assert seconds < SLIDER_SECONDS
        said.filter(has_text="Applied: in use").wait_for()
        # Frames of before may still be on their way when telemetry says that the change is in use.
        eventually(lambda: rig.next_predictions(2) == [[], []])
        page.locator("#own-threshold").check()
        page.get_by_role("switch", name="Entropy").check()
        page.locator("#apply").click()
        said.filter(has_text="Changing").wait_for()
        said.filter(has_text="Applied: in use").wait_for()
    eventually(lambda: all(rig.next_predictions(4)))
    assert rig.processes() == process, "no restart"
    assert [rig.verdict()[0] for _ in range(2)] == ["SUCCEEDED", "SUCCEEDED"]


def test_core_that_was_stopped_carries_on_with_its_deployment(rig: Rig) -> None:
    rig.stop()
    rig.start()
    assert rig.next_predictions()
    assert rig.verdict()[0] == "SUCCEEDED"


def test_removed_access_control_entry_stops_exactly_its_topic(rig: Rig) -> None:
    before = _deployments(rig)[0]["deploymentId"]
    merge = _redeploy(rig, before, without=rig.prediction_topic)
    assert rig.verdict() == ("SUCCEEDED", "SUCCESSFUL")
    assert rig.is_silent(rig.prediction_topic)
    assert not rig.is_silent(FEEDBACK_STATUS_TOPIC)
    assert "UnauthorizedError" in rig.log()
    assert rig.prediction_topic not in json.dumps(merge)
    _redeploy(rig, before)
    assert rig.verdict() == ("SUCCEEDED", "SUCCESSFUL")
    assert rig.next_predictions()


def test_changed_threshold_reaches_the_process_that_runs_and_a_label_its_target(rig: Rig) -> None:
    assert min(_scores(rig.next_predictions())) < 0.9
    before = rig.processes()
    sqs = rig.client("sqs")
    queue = sqs.create_queue(QueueName=QUEUE.rsplit(":", 1)[-1])["QueueUrl"]
    rig.deploy(**CHANGED)
    assert rig.verdict() == ("SUCCEEDED", "SUCCESSFUL")
    eventually(lambda: min(_scores(rig.next_predictions())) >= 0.9)
    assert rig.processes() == before != set()
    received = eventually(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"))
    message = json.loads(received[0]["Body"])
    assert message["core"] == rig.core_name
    assert {one["label"].split()[1] for one in message["matches"]} == {"tripod"}


def test_deployment_that_breaks_is_rolled_back_and_the_old_one_predicts(module_rig: Rig) -> None:
    rig = module_rig  # as the test before leaves it, if that was run
    rig.ensure_running(**CHANGED)
    rig.deploy(confidenceThreshold="0.1", modelS3Uri=rig.upload_bad_model())
    status, reason = rig.verdict()
    assert status == "FAILED"
    assert reason.startswith("FAILED_ROLLBACK_COMPLETE: DlrInference.E2E-V2 is broken: install")
    assert min(_scores(rig.next_predictions())) >= 0.9
    latest = _effective(rig)[0]
    assert latest["coreDeviceExecutionStatus"] == "FAILED"
    assert latest["reason"] == reason


def test_deployment_of_the_same_model_makes_no_version_and_reaches_no_core(rig: Rig) -> None:
    before = (_versions(rig), [one["deploymentId"] for one in _deployments(rig)])
    rig.deploy()
    assert (_versions(rig), [one["deploymentId"] for one in _deployments(rig)]) == before


def test_core_that_is_set_up_again_finds_its_version_after_cdk_gc_and_a_replaced_model(
    rig: Rig,
) -> None:
    """The stack's copies serve it, also for the version that no template names any more."""
    rig.ensure_running()
    bucket, _, key = rig.context["modelS3Uri"].removeprefix("s3://").partition("/")
    original = rig.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    rig.stop()
    shutil.rmtree(rig.prepared.root / "packages")
    rig.client("s3").put_object(Bucket=bucket, Key=key, Body=b"another model")
    _remove_assets(rig)
    try:
        rig.start()
        assert rig.verdict() == ("SUCCEEDED", "SUCCESSFUL")
        assert rig.next_predictions()
        assert _model_on_core(rig) == original
    finally:
        rig.client("s3").put_object(Bucket=bucket, Key=key, Body=original)


def test_model_that_was_replaced_under_its_key_becomes_a_version(rig: Rig) -> None:
    before = _versions(rig)
    bucket, _, key = rig.context["modelS3Uri"].removeprefix("s3://").partition("/")
    original = rig.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    other = gzip.compress(gzip.decompress(original), compresslevel=1)
    assert other != original
    rig.client("s3").put_object(Bucket=bucket, Key=key, Body=other)
    rig.deploy()
    assert rig.verdict() == ("SUCCEEDED", "SUCCESSFUL")
    assert len(set(_versions(rig)) - set(before)) == 1
    assert rig.next_predictions()
    assert _model_on_core(rig) == other


def test_update_that_fails_because_the_model_is_gone_is_rolled_back(rig: Rig) -> None:
    bucket, _, key = rig.context["modelS3Uri"].removeprefix("s3://").partition("/")
    original = rig.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    rig.client("s3").delete_object(Bucket=bucket, Key=key)
    try:
        with pytest.raises(StackError, match="does not exist, or this stack may not read it"):
            rig.deploy(topK="2")
    finally:
        rig.client("s3").put_object(Bucket=bucket, Key=key, Body=original)
    assert _status(rig) == "UPDATE_ROLLBACK_COMPLETE"


def test_update_that_fails_elsewhere_deploys_nothing(rig: Rig) -> None:
    """A rollback could not take it back from the core."""
    before = [one["deploymentId"] for one in _deployments(rig)]
    missing = "arn:aws:lambda:us-east-1:000000000000:function:missing"
    actions = json.dumps([{"name": "seen", "target": missing}])
    with pytest.raises(StackError, match="missing"):
        rig.deploy(messageFormat="envelope", actions=actions)
    assert _status(rig) == "UPDATE_ROLLBACK_COMPLETE"
    assert [one["deploymentId"] for one in _deployments(rig)] == before


def test_wrong_certificate_is_refused_by_broker_and_by_our_credential_provider(
    rig: Rig, tmp_path: Path
) -> None:
    """One of AWS IoT's own, active, but not this core's."""
    configuration = read_configuration(rig.prepared.root / "config.yaml")
    other = create_certificate(rig.client("iot"), tmp_path, configuration.root_ca)
    tls = tls_context(other)
    with MqttConnection(configuration.broker, rig.thing, tls) as connection:
        assert not connection.wait_until_connected(2)
        assert connection.fault
        with pytest.raises(ConnectionError, match="not connected"):
            connection.publish_to_cloud("", rig.prediction_topic, 1, b"[]")
    assert configuration.credential_provider is not None
    provider = CoreCredentials(
        configuration.credential_provider, configuration.role_alias, rig.thing, tls
    )
    with pytest.raises(CredentialsError, match="Access Denied"):
        provider.get()
    assert rig.next_predictions()


def test_destroy_leaves_what_is_retained_and_nothing_else(rig: Rig) -> None:
    eventually(lambda: rig.shared.samples(rig.outputs["FeedbackBucket"]))
    rig.stop()
    rig.destroy()
    iot, greengrass = rig.client("iot"), rig.client("greengrassv2")
    with pytest.raises(ClientError, match="does not exist"):
        rig.client("cloudformation").describe_stacks(StackName=rig.prepared.stack)
    assert rig.thing not in [thing["thingName"] for thing in iot.list_things()["things"]]
    assert iot.list_role_aliases()["roleAliases"] == []
    rules = [one["ruleName"] for one in iot.list_topic_rules()["rules"]]
    assert rule_name(rig.prepared.stack) not in rules
    tables = rig.client("dynamodb").list_tables()["TableNames"]
    assert rig.outputs["TelemetryTable"] not in tables
    assert iot.list_attached_policies(target=rig.prepared.certificate.arn)["policies"] == []
    functions = rig.client("lambda").list_functions()["Functions"]
    assert not [one for one in functions if rig.prepared.stack in one["FunctionName"]]
    assert not [one for one in _deployments(rig) if one["deploymentStatus"] == "ACTIVE"]
    # Devices that name a version break without it, and samples are what a user pays for.
    left = {one["componentName"] for one in greengrass.list_components()["components"]}
    assert component_name(rig.core_name) in left
    assert rig.shared.samples(rig.outputs["FeedbackBucket"])


def _scores(lists: list[list[dict[str, Any]]]) -> list[float]:
    """Return the scores of predictions in either format."""
    plain = [found["predictions"] if isinstance(found, dict) else found for found in lists]
    return [
        float(one["confidence"] if "confidence" in one else one["score"])
        for found in plain
        for one in found
    ]


def _succeeded(status: dict[str, Any]) -> bool:
    return bool(status["response"]["status"] == "success")


def _effective(rig: Rig) -> list[dict[str, Any]]:
    client = rig.client("greengrassv2")
    reply = client.list_effective_deployments(coreDeviceThingName=rig.thing)
    return list(reply["effectiveDeployments"])


def _status(rig: Rig) -> str:
    found = rig.client("cloudformation").describe_stacks(StackName=rig.prepared.stack)
    return str(found["Stacks"][0]["StackStatus"])


def _deployments(rig: Rig) -> list[dict[str, Any]]:
    target = rig.outputs["DeploymentTarget"]
    reply = rig.client("greengrassv2").list_deployments(targetArn=target, historyFilter="ALL")
    return list(reply["deployments"])


def _versions(rig: Rig) -> list[str]:
    """Return the versions of the core's component, the newest first."""
    arn = f"arn:aws:greengrass:us-east-1:000000000000:components:{component_name(rig.core_name)}"
    reply = rig.client("greengrassv2").list_component_versions(arn=arn)
    return [one["componentVersion"] for one in reply["componentVersions"]]


def _remove_assets(rig: Rig) -> None:
    """Remove all that the CDK has published, more thoroughly than `cdk gc`."""
    s3 = rig.client("s3")
    (assets,) = (one["Name"] for one in s3.list_buckets()["Buckets"] if "-assets-" in one["Name"])
    for key in rig.shared.samples(assets):
        s3.delete_object(Bucket=assets, Key=key)


def _model_on_core(rig: Rig) -> bytes:
    """Return the archive that the core has downloaded last."""
    found = rig.prepared.root.glob("packages/artifacts/*/*/*.tar.gz")
    return max(found, key=lambda path: path.stat().st_mtime).read_bytes()


def _redeploy(rig: Rig, identity: str, *, without: str = "") -> dict[str, Any]:
    """Repeat a deployment, without the permission to publish on one topic."""
    client = rig.client("greengrassv2")
    before = client.get_deployment(deploymentId=identity)
    ((name, component),) = before["components"].items()
    merge: dict[str, Any] = json.loads(component["configurationUpdate"]["merge"])
    topics = [topic for topic in published_topics(merge["coreName"]) if topic != without]
    merge["accessControl"] = access_control(name, topics)
    component["configurationUpdate"]["merge"] = json.dumps(merge)
    client.create_deployment(
        targetArn=before["targetArn"],
        deploymentName=before["deploymentName"],
        components={name: component},
    )
    return merge
