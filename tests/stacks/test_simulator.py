"""The EC2 core: closed, patched, set up by a script that fails the stack when it fails."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stacks.simulator.instance import LOGICAL_ID
from stacks.v1.simulator import V1_SET_UP
from tests.stacks.configurations import template
from tests.stacks.synthesis import all_of, context, only, resolved, templates_of

SIMULATORS = ["v1-simulator", "v2-simulator"]


def simulator(name: str) -> dict[str, Any]:
    return template(name, "Demo-Simulator")


def script(name: str) -> str:
    """The user data as the instance gets it."""
    text: str = resolved_user_data(simulator(name))
    return text


def resolved_user_data(found: dict[str, Any]) -> Any:
    data = only(found, "AWS::EC2::Instance")["UserData"]["Fn::Base64"]
    argument = data["Fn::Sub"]
    text, own = (argument, {}) if isinstance(argument, str) else argument
    for key, value in {**own, "AWS::StackName": "Stack", "AWS::Region": "eu-west-1"}.items():
        text = text.replace(f"${{{key}}}", value)
    return text


@pytest.mark.parametrize("name", SIMULATORS)
def test_volume_is_encrypted_and_metadata_needs_a_token(name: str) -> None:
    instance = only(simulator(name), "AWS::EC2::Instance")
    (disk,) = instance["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True
    launch = only(simulator(name), "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    assert launch["MetadataOptions"] == {"HttpTokens": "required"}


def test_no_port_is_open() -> None:
    group = only(simulator("v2-simulator"), "AWS::EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in group
    assert "AWS::EC2::SecurityGroupIngress" not in json.dumps(simulator("v2-simulator"))
    assert "KeyName" not in only(simulator("v2-simulator"), "AWS::EC2::Instance")
    assert {rule["FromPort"] for rule in group["SecurityGroupEgress"]} == {443, 8443, 8883}


def test_ssh_is_open_where_it_was_asked_for() -> None:
    (rule,) = only(simulator("v1-simulator"), "AWS::EC2::SecurityGroup")["SecurityGroupIngress"]
    assert (rule["CidrIp"], rule["FromPort"], rule["ToPort"]) == ("203.0.113.7/32", 22, 22)
    assert only(simulator("v1-simulator"), "AWS::EC2::Instance")["KeyName"] == "my-key"


@pytest.mark.parametrize("name", SIMULATORS)
def test_instance_may_be_reached_by_session_manager_and_nothing_else(name: str) -> None:
    (role,) = (
        role
        for role in all_of(simulator(name), "AWS::IAM::Role")
        if "ec2.amazonaws.com" in json.dumps(resolved(role["AssumeRolePolicyDocument"]))
    )
    policies = resolved(role["ManagedPolicyArns"])
    assert policies == ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"]
    assert "Policies" not in role


@pytest.mark.parametrize(
    ("name", "architecture"), [("v1-simulator", "arm64"), ("v2-simulator", "x86_64")]
)
def test_image_is_the_newest_amazon_linux_of_its_architecture_at_the_first_deployment(
    name: str, architecture: str
) -> None:
    found = simulator(name)
    image = f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}"
    assert only(found, "Custom::SimulatorImage")["Parameter"] == image
    instance = resolved(only(found, "AWS::EC2::Instance"))
    assert instance["ImageId"] == "<SimulatorImage.ImageId>"
    (statement,) = (
        statement
        for policy in resolved(all_of(found, "AWS::IAM::Policy"))
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "ReadImage"
    )
    assert statement["Resource"] == f"arn:aws:ssm:ap-southeast-2::parameter{image}"


def test_newer_image_replaces_no_instance() -> None:
    """A parameter of the template would get the newest image at every deployment."""
    kinds = [one["Type"] for one in simulator("v2-simulator").get("Parameters", {}).values()]
    assert not any("Image" in kind for kind in kinds)


def test_image_is_the_given_one(tmp_path: Path) -> None:
    image = "ami-0123456789abcdef0"
    values = context(tmp_path, simulator="true", simulatorImageId=image)
    found = templates_of(tmp_path / "cdk.out", values)["Demo-Simulator"]
    assert only(found, "AWS::EC2::Instance")["ImageId"] == image
    assert "Custom::SimulatorImage" not in json.dumps(found)


def test_instance_starts_in_the_given_subnet_and_creates_no_network(tmp_path: Path) -> None:
    vpc, subnet = "vpc-0123456789abcdef0", "subnet-0123456789abcdef0"
    ssh = {"simulatorKeyName": "my-key", "simulatorSshCidr": "10.0.0.0/8"}
    values = context(
        tmp_path, simulator="true", simulatorVpcId=vpc, simulatorSubnetId=subnet, **ssh
    )
    found = templates_of(tmp_path / "cdk.out", values)["Demo-Simulator"]
    instance = only(found, "AWS::EC2::Instance")
    assert "AvailabilityZone" not in instance
    assert "NetworkInterfaces" not in instance  # whether it has a public address, the subnet says
    assert instance["SubnetId"] == subnet
    assert only(found, "AWS::EC2::SecurityGroup")["VpcId"] == vpc
    kinds = {one["Type"] for one in found["Resources"].values()}
    assert {one for one in kinds if one.startswith("AWS::EC2::")} == {
        "AWS::EC2::Instance",
        "AWS::EC2::LaunchTemplate",
        "AWS::EC2::SecurityGroup",
    }
    assert "PrivateIp" in json.dumps(found["Outputs"]["CommandToCopySetup"])


@pytest.mark.parametrize("name", SIMULATORS)
def test_stack_waits_for_the_script_and_fails_with_it(name: str) -> None:
    resource = simulator(name)["Resources"][LOGICAL_ID]
    assert resource["CreationPolicy"] == {"ResourceSignal": {"Count": 1, "Timeout": "PT15M"}}
    text = script(name)
    assert "set -euo pipefail" in text
    signal = f"cfn-signal --exit-code $? --region eu-west-1 --stack Stack --resource {LOGICAL_ID}"
    assert f"trap '/opt/aws/bin/{signal}' EXIT" in text


@pytest.mark.parametrize("name", SIMULATORS)
def test_script_is_complete_and_a_shell_parses_it(name: str, tmp_path: Path) -> None:
    text = script(name)
    assert "${" not in text
    assert len(text.encode()) < 16_384
    file = tmp_path / "user_data.sh"
    file.write_text(text)
    bash = shutil.which("bash")
    assert bash
    subprocess.run([bash, "-n", str(file)], check=True)
    inner = text.split("<<'SCRIPT'\n")[1].split("\nSCRIPT\n")[0]
    file.write_text(inner)
    subprocess.run([bash, "-n", str(file)], check=True)


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("v1-simulator", ["dlr==1.10.0", "numpy==1.24.4", "opencv-python-headless=="]),
        ("v2-simulator", ["dlr==1.6.0", "numpy==2.0.2", "opencv-python-headless=="]),
    ],
)
def test_script_installs_dlr_and_opencv_at_the_device_s_pins(
    name: str, packages: list[str]
) -> None:
    text = script(name)
    assert all(package in text for package in packages)
    assert "boto3" not in text


def test_connectors_of_the_first_generation_find_python_by_the_name_that_they_look_for() -> None:
    assert "ln --symbolic /usr/local/bin/python3.8 /usr/bin/python3.7\n" in script("v1-simulator")


def test_script_of_the_first_generation_says_that_its_software_is_gone() -> None:
    text = V1_SET_UP.path.read_text()
    assert "AWS shut V1 down on 7 October 2026 and no longer serves the core software" in text


def outputs(name: str) -> dict[str, str]:
    found = simulator(name)["Outputs"]
    return {key: resolved(output["Value"]) for key, output in found.items()}


def test_commands_need_no_key_and_no_port() -> None:
    found = outputs("v2-simulator")
    assert found.keys() == {
        "InstanceId",
        "CommandToConnect",
        "CommandToCopySetup",
        "CommandToRestartCore",
    }
    assert "AWS-StartSSHSession" in found["CommandToCopySetup"]
    assert "greengrass-setup /home/ec2-user/greengrass-setup.zip" in found["CommandToRestartCore"]


def test_command_uses_the_key_where_there_is_one() -> None:
    command = outputs("v1-simulator")["CommandToCopySetup"]
    assert command.startswith("scp -i my-key.pem greengrass-setup.zip ec2-user@")


@pytest.mark.parametrize("name", SIMULATORS)
def test_network_costs_nothing_at_rest(name: str) -> None:
    types = {resource["Type"] for resource in simulator(name)["Resources"].values()}
    assert "AWS::EC2::NatGateway" not in types
    assert {kind for kind in types if kind.startswith("Custom::")} == {"Custom::SimulatorImage"}
