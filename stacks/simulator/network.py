"""The network of the simulator: its own, or an existing one."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from stacks.context.settings import Settings


@dataclass(frozen=True)
class SimulatorNetwork:
    """A network with the subnet in which the instance starts.

    Of an existing one only the ids are known: a look-up during synthesis would need credentials.
    So the subnet decides about the availability zone, and whether there is a public address.
    """

    vpc: ec2.IVpc
    subnets: ec2.SubnetSelection
    is_own: bool

    @classmethod
    def of(cls, scope: Construct, settings: Settings) -> "SimulatorNetwork":
        """Return the network that the settings name, or create one in ``scope``."""
        if settings.simulator_vpc_id is None or settings.simulator_subnet_id is None:
            public = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)
            return cls(_new_vpc(scope), public, is_own=True)
        zone = cdk.Fn.select(0, cdk.Fn.get_azs())  # not used, but the library asks for one
        vpc = ec2.Vpc.from_vpc_attributes(
            scope, "Network", vpc_id=settings.simulator_vpc_id, availability_zones=[zone]
        )
        subnet = ec2.Subnet.from_subnet_attributes(
            scope, "Subnet", subnet_id=settings.simulator_subnet_id, availability_zone=zone
        )
        return cls(vpc, ec2.SubnetSelection(subnets=[subnet]), is_own=False)


def _new_vpc(scope: Construct) -> ec2.Vpc:
    """Return a network with one public subnet and no NAT gateway, which would cost more."""
    vpc = ec2.Vpc(
        scope,
        "Network",
        max_azs=1,
        nat_gateways=0,
        # Nothing uses the default group; restricting it would require a Lambda function.
        restrict_default_security_group=False,
        subnet_configuration=[
            ec2.SubnetConfiguration(
                name="Public", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False
            )
        ],
    )
    cdk.Validations.of(vpc).acknowledge(
        cdk.Acknowledgment(
            id="AwsSolutions-VPC7",
            reason="The network holds one instance for trials, which accepts no connection; "
            "a log of its outbound ones would have no use.",
        )
    )
    return vpc
