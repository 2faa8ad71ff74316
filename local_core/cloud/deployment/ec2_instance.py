"""The CloudFormation type AWS::EC2::Instance, by way of RunInstances.

Nothing boots: the instance is a record. A CreationPolicy is satisfied at once, because nothing
would signal. Only a real instance can show whether the user data works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import location
from ..api import service_model
from ..api.errors import ApiError
from ..emulator import Handlers
from .handlers import Created, Properties

Client = Callable[[str], Any]

_RENAMED: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
    "IamInstanceProfile": lambda name: {"IamInstanceProfile": {"Name": name}},
    "Monitoring": lambda on: {"Monitoring": {"Enabled": on}},
    "AvailabilityZone": lambda zone: {"Placement": {"AvailabilityZone": zone}},
    "CreditSpecification": lambda of: {"CreditSpecification": {"CpuCredits": of["CPUCredits"]}},
    "NetworkInterfaces": lambda interfaces: {
        "NetworkInterfaces": [
            {("Groups" if key == "GroupSet" else key): value for key, value in one.items()}
            for one in interfaces
        ]
    },
    "Tags": lambda tags: {
        "TagSpecifications": [{"ResourceType": "instance", "Tags": list(tags)}] if tags else []
    },
}
"""Properties that the resource and RunInstances name or nest differently."""

_IGNORED = ("PropagateTagsToVolumeOnCreation", "SourceDestCheck")
"""Properties that other calls than RunInstances set, and that a record does not need."""

_UPDATABLE = {"Tags", *_IGNORED}


def instance_type(*, client: Client, terminate: Callable[[str], None]) -> dict[str, Handlers]:
    """Return the handlers of the instance."""

    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        request = _request(properties)
        ec2 = client("ec2")
        made = ec2.run_instances(**request)["Instances"][0]
        return made["InstanceId"], {
            "AvailabilityZone": made.get("Placement", {}).get(
                "AvailabilityZone", location.REGION + "a"
            ),
            "InstanceId": made["InstanceId"],
            "PrivateDnsName": made.get("PrivateDnsName", ""),
            "PrivateIp": made.get("PrivateIpAddress", ""),
            "PublicDnsName": made.get("PublicDnsName", ""),
            "PublicIp": made.get("PublicIpAddress", ""),
            "VpcId": made.get("VpcId", ""),
        }

    def update(identity: str, old: Properties, new: Properties, stack: str) -> Created:
        changed = {key for key in {*old, *new} if old.get(key) != new.get(key)}
        if not changed <= _UPDATABLE:
            return create("", new, stack)
        _request(new)
        ec2 = client("ec2")
        gone = {tag["Key"] for tag in old.get("Tags", ())} - {t["Key"] for t in new.get("Tags", ())}
        if gone:
            ec2.delete_tags(Resources=[identity], Tags=[{"Key": key} for key in gone])
        if new.get("Tags"):
            ec2.create_tags(Resources=[identity], Tags=new["Tags"])
        found = ec2.describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]
        return identity, {
            "InstanceId": identity,
            "PrivateIp": found.get("PrivateIpAddress", ""),
            "PublicIp": found.get("PublicIpAddress", ""),
        }

    def delete(identity: str, properties: Properties) -> None:
        terminate(identity)

    return {"AWS::EC2::Instance": {"create": create, "update": update, "delete": delete}}


def _request(properties: Properties) -> dict[str, Any]:
    """Return the properties as a request that the model of EC2 allows.

    Raises:
        ApiError: if it does not allow it.
    """
    request: dict[str, Any] = {"MinCount": 1, "MaxCount": 1}
    for name, value in properties.items():
        if name in _RENAMED:
            request.update(_RENAMED[name](value))
        elif name not in _IGNORED:
            request[name] = value
    shape = service_model.load("ec2").operation_model("RunInstances").input_shape
    request = service_model.from_template(shape, request)
    found = list(service_model.faults(shape, request))
    if not properties.get("ImageId") and not properties.get("LaunchTemplate"):
        found.append("ImageId is required without a LaunchTemplate")
    if found:
        raise ApiError("InvalidParameterValue", "; ".join(found))
    return request
