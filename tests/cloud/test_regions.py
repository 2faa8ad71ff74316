"""A local cloud in a Region of one's own choice, and requests that are meant for another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from local_core.cloud import DEFAULT_REGION, LocalCloud
from mli.aws import explain
from mli.cli.main import main

ELSEWHERE = "eu-west-1"
TEMPLATE = """{"Resources": {
  "Alias": {"Type": "AWS::IoT::RoleAlias",
            "Properties": {"RoleArn": "arn:aws:iam::000000000000:role/r", "RoleAlias": "alias"}}},
  "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Alias", "RoleAliasArn"]}},
              "Region": {"Value": {"Ref": "AWS::Region"}}}}"""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[LocalCloud]:
    with LocalCloud(region=ELSEWHERE) as running:
        yield running


def client_in(cloud: LocalCloud, region: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_arns_are_in_the_region_of_the_cloud(elsewhere: LocalCloud) -> None:
    cloudformation = elsewhere.client("cloudformation")
    cloudformation.create_stack(StackName="one", TemplateBody=TEMPLATE)
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="one", WaiterConfig={"Delay": 1}
    )
    [stack] = cloudformation.describe_stacks(StackName="one")["Stacks"]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
    assert outputs["Region"] == ELSEWHERE
    assert outputs["Arn"] == f"arn:aws:iot:{ELSEWHERE}:000000000000:rolealias/alias"
    thing = elsewhere.client("iot").create_thing(thingName="Demo_Core")
    assert thing["thingArn"] == f"arn:aws:iot:{ELSEWHERE}:000000000000:thing/Demo_Core"


@pytest.mark.parametrize(
    ("service", "operation"),
    [  # one of each protocol
        ("cloudformation", "list_stacks"),
        ("ec2", "describe_instances"),
        ("iot", "list_things"),
        ("greengrassv2", "list_deployments"),
        ("ssm", "describe_parameters"),
    ],
)
def test_request_for_another_region_is_refused_as_by_aws(
    elsewhere: LocalCloud, service: str, operation: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(client_in(elsewhere, DEFAULT_REGION, service), operation)()
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"
    said = explain(refused.value)
    assert "not 'us-east-1': this local cloud is in eu-west-1" in said
    assert said.endswith("give its Region with --region")


def test_bucket_is_found_from_another_region_as_on_aws(elsewhere: LocalCloud) -> None:
    s3 = elsewhere.client("s3")
    elsewhere.create_bucket("here")
    with pytest.raises(ClientError, match=r"'us-east-1' is wrong; expecting 'eu-west-1'"):
        client_in(elsewhere, DEFAULT_REGION, "s3").list_buckets()
    client_in(elsewhere, DEFAULT_REGION, "s3").put_object(Bucket="here", Key="k", Body=b"b")
    assert s3.get_object(Bucket="here", Key="k")["Body"].read() == b"b"


@pytest.mark.parametrize("service", ["iam", "sts"])
def test_services_of_all_regions_answer(elsewhere: LocalCloud, service: str) -> None:
    operations = {"iam": "list_roles", "sts": "get_caller_identity"}
    assert getattr(client_in(elsewhere, DEFAULT_REGION, service), operations[service])()


def test_environment_names_the_region_to_every_tool(elsewhere: LocalCloud) -> None:
    environment = elsewhere.environment()
    assert {environment["AWS_REGION"], environment["AWS_DEFAULT_REGION"]} == {ELSEWHERE}


def test_what_is_no_region_is_refused() -> None:
    done = CliRunner().invoke(main, ["cloud", "--region", "Ireland"])
    assert done.exit_code == 2
    assert "'Ireland' is not the name of a Region, such as eu-west-1" in done.output
