"""The EC2 instance that runs as a core."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.context.settings import Settings
from stacks.names import thing_name
from stacks.simulator.image import LinuxImage, image_id
from stacks.simulator.network import SimulatorNetwork
from stacks.simulator.set_up import SetUpScript

LOGICAL_ID = "Core"
"""The set-up scripts signal the resource of this name."""

SET_UP_TIMEOUT = cdk.Duration.minutes(15)

_ROOT_DEVICE = "/dev/xvda"
_ROOT_GIBIBYTES = 16


class SimulatorInstance(Construct):
    """Amazon Linux 2023 with the core software; CloudFormation waits until it is set up."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        set_up: SetUpScript,
        network: SimulatorNetwork,
        security_group: ec2.ISecurityGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        role = iam.Role(
            self,
            "Role",
            description="Lets Session Manager reach the simulated core, and nothing else",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("AmazonSSMManagedInstanceCore")
            ],
        )
        key_name = settings.simulator_key_name
        self.instance = ec2.Instance(
            self,
            "Instance",
            instance_name=thing_name(settings.core_name),
            vpc=network.vpc,
            vpc_subnets=network.subnets,
            security_group=security_group,
            instance_type=ec2.InstanceType(settings.simulator_instance_type),
            machine_image=LinuxImage(
                image_id(
                    self,
                    given=settings.simulator_image_id,
                    architecture=settings.simulator_architecture,
                )
            ),
            role=role,
            require_imdsv2=True,
            associate_public_ip_address=True if network.is_own else None,
            key_pair=ec2.KeyPair.from_key_pair_name(self, "Key", key_name) if key_name else None,
            block_devices=[
                ec2.BlockDevice(
                    device_name=_ROOT_DEVICE,
                    volume=ec2.BlockDeviceVolume.ebs(
                        _ROOT_GIBIBYTES, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3
                    ),
                )
            ],
            user_data=ec2.UserData.custom(
                set_up.for_architecture(settings.simulator_architecture, settings.model_runtime)
            ),
        )
        resource = self.instance.instance
        resource.override_logical_id(LOGICAL_ID)
        if not network.is_own:
            resource.add_property_deletion_override("AvailabilityZone")
        resource.cfn_options.creation_policy = cdk.CfnCreationPolicy(
            resource_signal=cdk.CfnResourceSignal(count=1, timeout=SET_UP_TIMEOUT.to_iso_string())
        )
        self._acknowledge_findings(role)

    def _acknowledge_findings(self, role: iam.Role) -> None:
        accepted = {
            "AwsSolutions-EC28": "The core reports its own telemetry over MQTT; detailed "
            "monitoring of a trial instance is not worth its price.",
            "AwsSolutions-EC29": "Its stack and the set-up zip can recreate everything on it, "
            "and it is meant to be deleted after a trial.",
        }
        for finding, reason in accepted.items():
            cdk.Validations.of(self.instance).acknowledge(
                cdk.Acknowledgment(id=finding, reason=reason)
            )
        policy = "arn:<AWS::Partition>:iam::aws:policy/AmazonSSMManagedInstanceCore"
        cdk.Validations.of(role).acknowledge(
            cdk.Acknowledgment(
                id=f"AwsSolutions-IAM4[Policy::{policy}]",
                reason="AWS keeps this policy at what the Session Manager agent needs; a copy "
                "would fall behind the agent, which updates itself.",
            )
        )
