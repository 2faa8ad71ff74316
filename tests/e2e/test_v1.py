"""A V1 core, from ``cdk deploy`` by the real CLI to the end of its stack.

Each test finds the core deployed with the user's context and running, and can run alone.
Every AWS::Greengrass type of the group and its definitions is served by our own handlers, every
other type by ministack.
"""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from inference.names import FEEDBACK_STATUS_TOPIC
from tests.e2e.expected import chosen
from tests.e2e.rig import SEED, Record, Rig, files_below
from tests.waiting import eventually

GENERATION = 1
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_group_deployed_by_our_handlers_of_all_greengrass_types(rig: Rig) -> None:
    assert rig.first_verdict == ("Success", "")
    lists = rig.next_predictions(8)
    assert {one["prediction"].split()[1] for found in lists for one in found} >= {
        "tripod",
        "espresso",
    }
    assert _status(rig) == "Success"


def test_function_that_runs_is_the_asset_of_the_template_byte_for_byte(rig: Rig) -> None:
    assembly = rig.shared.cloud.data / "cdk.out"
    template = (assembly / f"{rig.prepared.stack}.template.json").read_text()
    (code,) = [
        folder
        for folder in assembly.glob("asset.*")
        if (folder / "lambda_function.py").exists() and folder.name[6:] in template
    ]
    (unpacked,) = [
        path.parent for path in rig.prepared.root.glob("ggc/deployment/lambda/*/lambda_function.py")
    ]
    assert files_below(unpacked) == files_below(code)


def test_bucket_holds_exactly_what_the_three_strategies_choose(rig: Rig) -> None:
    made = rig.record()
    frames = _assert_chosen_are(made)
    assert frames - len(made.predictions) in (0, 1)
    told = [one["response"]["s3_response"]["key"] for one in made.statuses if _succeeded(one)]
    for keys in (told, [rig.key_of(one) for one in made.samples]):
        assert set(keys) <= set(made.keys)
        assert len(set(keys)) >= len(made.keys) - 1, "the core may have been stopped in between"


def test_core_that_was_stopped_carries_on_with_its_group(rig: Rig) -> None:
    rig.stop()
    with rig.model_gone():
        rig.start()
        assert rig.next_predictions()
    assert rig.verdict()[0] == "Success"


def test_threshold_is_changed_by_deploying_again(rig: Rig) -> None:
    assert min(_scores(rig.next_predictions())) < 0.9
    rig.deploy(confidenceThreshold="0.9")
    assert rig.verdict()[0] == "Success"
    assert min(_scores(rig.next_predictions())) >= 0.9


def test_group_that_cannot_be_carried_out_fails_and_the_old_one_predicts(module_rig: Rig) -> None:
    rig = module_rig  # as the test before leaves it, if that was run
    rig.ensure_running(confidenceThreshold="0.9")
    with rig.model_gone():
        rig.deploy(confidenceThreshold="0.1", modelS3Uri=rig.upload_bad_model())
        status, reason = rig.verdict()
        assert status == "Failure"
        assert "s3://greengrass-models/bad/model.tar.gz" in reason
        assert min(_scores(rig.next_predictions())) >= 0.9
        rig.stop()
        rig.start()
        assert rig.verdict() == (status, reason)
        assert min(_scores(rig.next_predictions())) >= 0.9
        rig.stop()
        rig.shared.finish_deployment(rig.prepared, rig.outputs)
        rig.start()
        assert rig.verdict()[0] == "Failure"
        assert min(_scores(rig.next_predictions())) >= 0.9
    assert _status(rig) == "Failure"


def test_connector_of_aws_predicts_in_place_of_the_function(rig: Rig) -> None:
    job = _training_job(rig)
    rig.deploy(estimator="connector", sageMakerJobArn=job, modelS3Uri=None)
    assert rig.verdict()[0] == "Success"
    made = rig.record()
    labels = {one["prediction"].split()[1] for found in made.predictions for one in found}
    assert labels >= {"tripod", "espresso"}
    _assert_chosen_are(made)
    assert sorted({rig.key_of(one) for one in made.samples}) == made.keys
    of_connector = [one for one in made.samples if not one["metadata"].get("core")]
    assert {one["config-id"] for one in of_connector} == {"RandomSamplingConfiguration"}


def test_removed_subscription_stops_exactly_its_topic(rig: Rig) -> None:
    _deploy_without(rig, rig.prediction_topic)
    assert rig.verdict()[0] == "Success"
    assert rig.is_silent(rig.prediction_topic)
    assert not rig.is_silent(FEEDBACK_STATUS_TOPIC)
    router = rig.prepared.root / "ggc" / "var" / "log" / "system" / "router.log"
    assert "no subscription from DlrInference" in router.read_text()
    assert f"on {rig.prediction_topic}: the message is dropped" in router.read_text()
    rig.shared.finish_deployment(rig.prepared, rig.outputs)
    assert rig.verdict()[0] == "Success"
    assert rig.next_predictions()


def test_destroy_resets_the_group_and_leaves_what_is_retained(rig: Rig) -> None:
    eventually(lambda: rig.shared.samples(rig.outputs["FeedbackBucket"]))
    rig.destroy()
    assert rig.verdict() == ("Success", "")
    assert rig.is_silent(FEEDBACK_STATUS_TOPIC)
    rig.stop()
    with pytest.raises(ClientError, match="does not exist"):
        rig.client("cloudformation").describe_stacks(StackName=rig.prepared.stack)
    greengrass = rig.client("greengrass")
    left = greengrass.list_groups()["Groups"]
    for kind in ("core", "function", "resource", "subscription", "connector", "logger"):
        left += getattr(greengrass, f"list_{kind}_definitions")()["Definitions"]
    own = rig.prepared.target.core_name
    assert [one["Name"] for one in left if one["Name"].startswith(own)] == []
    things = rig.client("iot").list_things()["things"]
    assert rig.thing not in [thing["thingName"] for thing in things]
    assert rig.shared.samples(rig.outputs["FeedbackBucket"])


def _assert_chosen_are(made: Record) -> int:
    """Check which samples were chosen of each frame; return how many frames there were.

    The core may have been stopped between two of the last frame's three statuses.
    """
    frames, rest = divmod(len(made.statuses), 3)
    found = Counter(one["config-id"] for one in made.samples)
    begun = frames + (rest > 0)
    assert chosen(frames, Random(SEED)) <= found <= chosen(begun, Random(SEED))
    return begun


def _scores(lists: list[list[dict[str, Any]]]) -> list[float]:
    return [float(one["confidence"]) for found in lists for one in found]


def _succeeded(status: dict[str, Any]) -> bool:
    return bool(status["response"]["status"] == "success")


def _group(rig: Rig) -> dict[str, Any]:
    group = rig.client("greengrass").get_group(GroupId=rig.outputs["GreengrassGroupID"])
    return dict(group)


def _status(rig: Rig) -> str:
    client, group = rig.client("greengrass"), rig.outputs["GreengrassGroupID"]
    latest = client.list_deployments(GroupId=group)["Deployments"][0]["DeploymentId"]
    reply = client.get_deployment_status(GroupId=group, DeploymentId=latest)
    return str(reply["DeploymentStatus"])


def _training_job(rig: Rig) -> str:
    """Return the ARN of a training job whose output is the core's model."""
    bucket, _, key = rig.context["modelS3Uri"].removeprefix("s3://").partition("/")
    sagemaker = rig.client("sagemaker")
    arn = sagemaker.create_training_job(
        TrainingJobName="pets",
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::000000000000:role/training",
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/trained"},
        ResourceConfig={"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
    )["TrainingJobArn"]
    found = sagemaker.describe_training_job(TrainingJobName="pets")
    model = found["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{bucket}/")
    source = {"Bucket": bucket, "Key": key}
    rig.client("s3").copy_object(Bucket=bucket, Key=model, CopySource=source)
    return str(arn)


def _deploy_without(rig: Rig, subject: str) -> None:
    """Deploy the group's last version, less the subscription to a subject."""
    client, group = rig.client("greengrass"), _group(rig)
    request = json.loads(rig.outputs["CommandToDeployGroup"].split("'")[1])
    version = client.get_group_version(
        GroupId=group["Id"], GroupVersionId=request["GroupVersionId"]
    )["Definition"]
    *_, identity, _, number = version["SubscriptionDefinitionVersionArn"].split("/")
    old = client.get_subscription_definition_version(
        SubscriptionDefinitionId=identity, SubscriptionDefinitionVersionId=number
    )["Definition"]["Subscriptions"]
    kept = [one for one in old if one["Subject"] != subject]
    assert len(kept) == len(old) - 1
    made = client.create_subscription_definition_version(
        SubscriptionDefinitionId=identity, Subscriptions=kept
    )
    changed = {**version, "SubscriptionDefinitionVersionArn": made["Arn"]}
    number = client.create_group_version(GroupId=group["Id"], **changed)["Version"]
    client.create_deployment(
        GroupId=group["Id"], GroupVersionId=number, DeploymentType="NewDeployment"
    )
