"""The real CDK CLI; AWS::GreengrassV2::ComponentVersion is served by our own handler."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local_core.cloud import LocalCloud
from local_core.cloud.deployment.deploy import Deployer
from local_core.processes.cdk import CLI, CdkCli, CdkError

STACK = "DeployTest"
CONTEXT = {"stackName": STACK, "threshold": "0.5"}
APP = f"{sys.executable} {Path(__file__).with_name('cdk_app.py')}"

pytestmark = [
    pytest.mark.skipif(not CLI.exists(), reason="the CDK CLI is not installed: npm ci"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def deployer(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Deployer:
    """A deployer of the app beside this file, to a cloud that is bootstrapped."""
    made = Deployer(cloud=cloud, folder=tmp_path_factory.mktemp("app"), app=APP)
    made.bootstrap()
    return made


def test_bootstrap_is_the_cli_s_and_is_not_repeated(cloud: LocalCloud, deployer: Deployer) -> None:
    said: list[str] = []
    cli = CdkCli(
        folder=deployer.folder,
        environment=cloud.environment(),
        app="",
        output=cloud.data / "cdk.out",
        say=said.append,
        asked_to_stop=lambda: False,
    )
    events = partial(cloud.client("cloudformation").describe_stack_events, StackName="CDKToolkit")
    before = events()["StackEvents"]
    cli.run("bootstrap", f"aws://{cloud.account}/{cloud.region}")
    assert "bootstrapped (no changes)" in said[-1]
    deployer.bootstrap()
    assert events()["StackEvents"] == before


def test_stack_is_deployed_updated_rolled_back_and_destroyed_to_nothing(
    cloud: LocalCloud, deployer: Deployer
) -> None:
    greengrass = cloud.client("greengrassv2")
    said: list[str] = []
    replace(deployer, say=said.append).deploy(CONTEXT)
    first = deployer.outputs(STACK)["Arn"]
    assert greengrass.describe_component(arn=first)["componentName"] == f"{STACK}.component"
    assert any("CREATE_COMPLETE" in line and "ComponentVersion" in line for line in said)

    deployer.deploy({**CONTEXT, "threshold": "0.9"})
    second = deployer.outputs(STACK)["Arn"]
    assert second != first

    with pytest.raises(CdkError, match=r"ComponentVersion Component .*must be x\.y\.z") as refusal:
        deployer.deploy({**CONTEXT, "version": "latest"})
    assert len(str(refusal.value).splitlines()) == 1
    assert deployer.outputs(STACK)["Arn"] == second

    deployer.destroy(CONTEXT)
    with pytest.raises(CdkError, match="does not exist"):
        deployer.outputs(STACK)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        greengrass.describe_component(arn=second)


def test_context_that_the_app_refuses_is_the_reason(deployer: Deployer) -> None:
    with pytest.raises(CdkError, match=r"threshold is missing\. Use -c threshold"):
        deployer.deploy({"stackName": STACK})


def test_deployment_can_be_stopped(deployer: Deployer) -> None:
    slow = replace(deployer, app="sleep 30", asked_to_stop=lambda: True)
    with pytest.raises(CdkError, match="cdk deploy was stopped"):
        slow.deploy(CONTEXT)


def test_model_goes_up_in_parts_with_its_progress(
    cloud: LocalCloud, deployer: Deployer, tmp_path: Path
) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(bytes(20 * 2**20))
    progress: list[tuple[int, int]] = []
    uri = deployer.upload_model(
        archive,
        bucket="models",
        key="a/model.tar.gz",
        transferred=lambda sent, size: progress.append((sent, size)),
    )
    assert uri == "s3://models/a/model.tar.gz"
    head = cloud.client("s3").head_object(Bucket="models", Key="a/model.tar.gz")
    assert head["ContentLength"] == 20 * 2**20
    assert head["ETag"].rstrip('"').endswith("-3")
    sent = [number for number, _ in progress]
    assert sent == sorted(sent)
    assert progress[-1] == (20 * 2**20, 20 * 2**20)
    assert len(progress) > 2


def test_model_that_s3_refuses_says_why(deployer: Deployer, tmp_path: Path) -> None:
    archive = tmp_path / "model.zip"
    archive.write_bytes(b"x")
    with pytest.raises(CdkError, match=r"uploading model.zip to s3://No_Bucket/k: "):
        deployer.upload_model(archive, bucket="No_Bucket", key="k")
