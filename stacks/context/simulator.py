"""Context keys of the EC2 instance that stands in for a device."""

from typing import Any

from inference import schema
from stacks.context import values

INSTANCE_TYPES = {"x86_64": "t3.medium", "arm64": "t4g.medium"}
"""Default of simulatorInstanceType, by simulatorArchitecture."""

SIMULATOR_FIELDS: tuple[schema.Field[Any], ...] = (
    schema.Field(
        "simulator",
        schema.boolean,
        False,
        "true",
        "`true` also creates an EC2 core, in a second stack: `cdk deploy --all`",
    ),
    schema.Field(
        "simulatorInstanceType",
        schema.text(
            r"[a-z][a-z0-9-]{0,15}\.[a-z0-9-]{1,16}",
            "must be an EC2 instance type such as t3.medium",
        ),
        None,
        "t3.medium",
        "The simulator's instance type; left out, `t3.medium` or `t4g.medium`, depending on its "
        "architecture",
    ),
    schema.Field(
        "simulatorArchitecture",
        schema.choice(*INSTANCE_TYPES),
        "x86_64",
        "x86_64",
        "The simulator's processor: " + " or ".join(INSTANCE_TYPES),
    ),
    schema.Field(
        "simulatorImageId",
        schema.text(
            r"ami-(?:[0-9a-f]{8}|[0-9a-f]{17})",
            "must be the id of an image in the core's Region, such as ami-0123456789abcdef0",
        ),
        None,
        "ami-0123456789abcdef0",
        "The simulator's image of Amazon Linux 2023; left out, it keeps the one that was newest at "
        "its first deployment",
    ),
    schema.Field(
        "simulatorVpcId",
        schema.text(
            r"vpc-(?:[0-9a-f]{8}|[0-9a-f]{17})",
            "must be the id of a VPC in the core's Region, such as vpc-0123456789abcdef0",
        ),
        None,
        "vpc-0123456789abcdef0",
        "An existing network for the simulator, only with simulatorSubnetId; left out, it gets one "
        "of its own",
    ),
    schema.Field(
        "simulatorSubnetId",
        schema.text(
            r"subnet-(?:[0-9a-f]{8}|[0-9a-f]{17})",
            "must be the id of a subnet of simulatorVpcId, such as subnet-0123456789abcdef0",
        ),
        None,
        "subnet-0123456789abcdef0",
        "The subnet of simulatorVpcId in which the simulator starts; it must reach the Internet",
    ),
    schema.Field(
        "simulatorKeyName",
        schema.text(r"[ -~]{1,255}", "must be the name of an EC2 key pair"),
        None,
        "my-key",
        "Key pair for SSH, only with simulatorSshCidr; Session Manager needs neither of them",
    ),
    schema.Field(
        "simulatorSshCidr",
        values.network,
        None,
        "203.0.113.7/32",
        "IPv4 network that may use SSH, only with simulatorKeyName",
    ),
)
