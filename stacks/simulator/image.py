"""The image of the simulator's instance, which stays the same for as long as the instance does."""

import aws_cdk as cdk
import jsii
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.custom_resources.provider import CustomResourceProvider

_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}"


def image_id(scope: Construct, *, given: str | None, architecture: str) -> str:
    """Return the image ``given``, or the newest Amazon Linux 2023 at the stack's first deployment.

    A parameter of the template, as the CDK would use, is resolved again at each deployment: every
    new image, about two a month, would replace the instance and what is on it. A custom resource
    keeps its answer until its properties change.
    """
    if given is not None:
        return given
    name = _PARAMETER.format(architecture=architecture)
    policy = iam.Policy(
        scope,
        "ImagePolicy",
        statements=[
            iam.PolicyStatement(
                sid="ReadImage",
                actions=["ssm:GetParameter"],
                # A public parameter belongs to no account.
                resources=[
                    cdk.Fn.sub(f"arn:${{AWS::Partition}}:ssm:${{AWS::Region}}::parameter{name}")
                ],
            )
        ],
    )
    found = CustomResourceProvider.of(scope).resource(
        scope,
        "Image",
        resource_type="Custom::SimulatorImage",
        properties={"Parameter": name},
        policy=policy,
    )
    return found.get_att_string("ImageId")


@jsii.implements(ec2.IMachineImage)
class LinuxImage:
    """A Linux image by its id, which may be a token."""

    def __init__(self, image: str) -> None:
        self._image = image

    def get_image(self, scope: Construct) -> ec2.MachineImageConfig:
        """Return the image as the CDK's construct of an instance needs it."""
        return ec2.MachineImageConfig(
            image_id=self._image,
            os_type=ec2.OperatingSystemType.LINUX,
            user_data=ec2.UserData.for_linux(),
        )
