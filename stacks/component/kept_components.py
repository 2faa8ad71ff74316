"""Protection of the components that others have deployed to the same cores."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct, IDependable

from stacks import arns
from stacks.custom_resources.provider import CustomResourceProvider
from stacks.nag_acknowledgments import acknowledge_wildcards


class KeptComponents(Construct):
    """Refuses a deployment that would remove components of others from its target's cores.

    A deployment replaces the latest one to the same target, and a core removes what the new one
    does not name. The look-up runs before each new deployment, since ``version``, that of our
    component, or ``settings_digest`` changes with it.
    ``names`` are the components of the new one; with ``may_drop`` all others may go.
    ``thing_groups`` are those of the stack: the update that takes one away is refused while it has
    cores. The policy that lets the function list them goes with the group, after this.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        target_arn: str,
        names: Sequence[str],
        version: str,
        settings_digest: str,
        may_drop: bool,
        thing_groups: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        deployments = arns.regional_arn("greengrass", "deployments:*")
        jobs = arns.regional_arn("iot", "job/*")
        policy = iam.Policy(
            self,
            "Policy",
            statements=[
                iam.PolicyStatement(
                    sid="ListDeployments", actions=["greengrass:ListDeployments"], resources=["*"]
                ),
                iam.PolicyStatement(
                    sid="ReadDeployment",
                    actions=["greengrass:GetDeployment"],
                    resources=[deployments],
                ),
                iam.PolicyStatement(
                    sid="ReadJobOfDeployment",
                    actions=["iot:DescribeJob", "iot:DescribeThingGroup"],
                    resources=[jobs, target_arn],
                ),
            ],
        )
        acknowledge_wildcards(
            policy,
            ["*", deployments, jobs],
            "Reads the latest deployment to one target: ListDeployments takes no resource, and the "
            "service chooses the ids of deployments and of their jobs.",
        )
        look_up = CustomResourceProvider.of(self).resource(
            self,
            "Resource",
            resource_type="Custom::KeptComponents",
            properties={
                "TargetArn": target_arn,
                "Components": list(names),
                "MayDrop": "true" if may_drop else "false",
                "ThingGroups": list(thing_groups),
                "ComponentVersion": version,
                "SettingsDigest": settings_digest,
            },
            policy=policy,
            sees_rollback=True,
        )
        self.checked: IDependable = look_up
        """The deployment must depend on it."""
