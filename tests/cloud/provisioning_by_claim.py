"""The provisioning template of a fleet, as its stack makes it, in a cloud on this machine."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import aws_cdk as cdk
from aws_cdk.assertions import Template

from local_core.cloud import LocalCloud
from stacks import names
from stacks.arns import regional_arn
from stacks.core import iot_policies
from stacks.custom_resources.function import RUNTIME_FOLDER
from stacks.fleet.provisioning import ProvisioningByClaim
from stacks.names import CORE_PLACEHOLDER
from tests.cloud.support import Stacks
from tests.stacks.synthesis import new_app

_BUCKET = "code-of-hooks"


def deploy_provisioning(cloud: LocalCloud, fleet: str, folder: Path) -> str:
    """Deploy a stack with template, hook and claim policy for a thing group; return its name."""
    group = cloud.client("iot").create_thing_group(thingGroupName=fleet)["thingGroupArn"]
    stack = cdk.Stack(new_app(folder), "Provisioning")
    alias = regional_arn("iot", f"rolealias/{names.fleet_role_alias_name(fleet)}")
    ProvisioningByClaim(
        stack,
        "Claims",
        fleet_name=fleet,
        group_arn=group,
        policies=iot_policies.policies_of_core(
            thing_name=names.thing_name(CORE_PLACEHOLDER),
            role_alias_arn=alias,
            topics=names.published_topics(CORE_PLACEHOLDER),
        ),
    )
    resources = Template.from_stack(stack).to_json()["Resources"]
    for resource in resources.values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Code"] = _code(cloud)
    deployed = f"Provisioning-{fleet}"
    Stacks(cloud).deploy(deployed, resources)
    return deployed


def _code(cloud: LocalCloud) -> dict[str, str]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(RUNTIME_FOLDER.rglob("*.py")):
            archive.write(file, file.relative_to(RUNTIME_FOLDER))
    s3 = cloud.client("s3")
    if _BUCKET not in {one["Name"] for one in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=_BUCKET)
    s3.put_object(Bucket=_BUCKET, Key="hook.zip", Body=packed.getvalue())
    return {"S3Bucket": _BUCKET, "S3Key": "hook.zip"}
