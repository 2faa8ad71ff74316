"""What AWS IoT has of the cores of a fleet, and what others have there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mli.listings import principals
from stacks import names
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.support import ACCOUNT, Commands

EMPTY_POLICY = '{"Version": "2012-10-17", "Statement": []}'


def add(commands: Commands, fleet: DeployedFleet, cores: list[str]) -> dict[str, Any]:
    Path("cores.csv").write_text("coreName\n" + "".join(f"{core}\n" for core in cores))
    return commands.json("fleet", "add", "cores.csv", "--fleet", fleet.name)


def left(fleet: DeployedFleet, core: str) -> list[str]:
    """Return what AWS IoT still has of a core."""
    iot = fleet.cloud.client("iot")
    things = {one["thingName"] for one in all_of(iot, "list_things", "things")}
    policies = {one["policyName"] for one in all_of(iot, "list_policies", "policies")}
    own = {f"{core}_CorePolicy", f"{core}_PublishPolicy", names.thing_name(core)}
    return sorted((things | policies) & own)


def all_of(client: Any, operation: str, key: str, **request: Any) -> list[Any]:
    pages = client.get_paginator(operation).paginate(**request)
    return [item for page in pages for item in page[key]]


def members(fleet: DeployedFleet) -> list[str]:
    iot = fleet.cloud.client("iot")
    return sorted(all_of(iot, "list_things_in_thing_group", "things", thingGroupName=fleet.name))


def certificate_of(fleet: DeployedFleet, core: str) -> str:
    [arn] = principals(fleet.cloud.client("iot"), names.thing_name(core))
    return arn


def exists(fleet: DeployedFleet, certificate_arn: str) -> bool:
    iot = fleet.cloud.client("iot")
    found = all_of(iot, "list_certificates", "certificates", pageSize=250)
    return certificate_arn in {one["certificateArn"] for one in found}


def give_certificate(fleet: DeployedFleet, thing: str) -> str:
    """Give a thing an active certificate with a policy, as its owner would; return its ARN."""
    iot = fleet.cloud.client("iot")
    arn = str(iot.create_keys_and_certificate(setAsActive=True)["certificateArn"])
    iot.create_policy(policyName=f"{thing}-of-others", policyDocument=EMPTY_POLICY)
    iot.attach_policy(policyName=f"{thing}-of-others", target=arn)
    iot.attach_thing_principal(thingName=thing, principal=arn)
    return arn


def assert_usable(fleet: DeployedFleet, core: str, certificate_arn: str) -> None:
    """Check that a thing still has its active certificate, and that its policy."""
    iot, thing = fleet.cloud.client("iot"), names.thing_name(core)
    assert principals(iot, thing) == [certificate_arn]
    about = iot.describe_certificate(certificateId=certificate_arn.rpartition("/")[2])
    assert about["certificateDescription"]["status"] == "ACTIVE"
    attached = iot.list_attached_policies(target=certificate_arn)["policies"]
    assert [one["policyName"] for one in attached] == [f"{thing}-of-others"]


def arn_of(fleet: DeployedFleet, certificate_id: str) -> str:
    return f"{ACCOUNT}:cert/{certificate_id}"
