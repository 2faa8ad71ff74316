"""Takes a group's deployments back before it is deleted, which CloudFormation cannot."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks import arns
from stacks.custom_resources import RUNTIME_FOLDER
from stacks.nag_acknowledgments import accept_wildcards

RUNTIME = lambda_.Runtime.PYTHON_3_14
TIMEOUT = cdk.Duration.minutes(5)
"""A forced reset does not wait for the core: it takes seconds."""


class DeploymentsReset(Construct):
    """A custom resource whose deletion resets the group.

    It depends on the group, so CloudFormation deletes it first. If ever another group takes the
    place of this one, the new policy stands beside the old until the old group is gone, because its
    name holds the group's id; so the reset of the old one is still allowed.
    """

    def __init__(self, scope: Construct, construct_id: str, *, group_id: str) -> None:
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        role = iam.Role(
            self,
            "Role",
            description="Resets the deployments of one Greengrass group",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"Logs": _write(log_group)},
        )
        function = lambda_.Function(
            self,
            "Function",
            description="Resets the deployments of a Greengrass group before it is deleted",
            runtime=RUNTIME,
            handler="custom_resources.deployments_reset.handler",
            code=lambda_.Code.from_asset(
                str(RUNTIME_FOLDER), exclude=["__pycache__", "*.pyc", ".*_cache"]
            ),
            role=role,
            log_group=log_group,
            timeout=TIMEOUT,
        )
        group_arn = arns.regional_arn("greengrass", "/greengrass/groups/")
        resources = [f"{group_arn}{group_id}", f"{group_arn}{group_id}/deployments/*"]
        policy = iam.Policy(
            self,
            "Policy",
            policy_name=f"ResetDeployments-{group_id}",
            roles=[role],
            statements=[
                iam.PolicyStatement(
                    actions=["greengrass:ResetDeployments"], resources=resources[:1]
                ),
                iam.PolicyStatement(
                    actions=["greengrass:GetDeploymentStatus"], resources=resources[1:]
                ),
            ],
        )
        accept_wildcards(
            policy, resources, "A reset is a deployment, whose id the service gives when it begins."
        )
        self.resource = cdk.CustomResource(
            self,
            "Resource",
            resource_type="Custom::GreengrassDeploymentsReset",
            service_token=function.function_arn,
            service_timeout=TIMEOUT.plus(cdk.Duration.minutes(1)),
            properties={"GroupId": group_id},
        )
        # On deletion the reverse: the reset is done before it is forbidden.
        self.resource.node.add_dependency(policy)


def _write(log_group: logs.LogGroup) -> iam.PolicyDocument:
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    statement = iam.PolicyStatement(actions=actions, resources=[log_group.log_group_arn])
    return iam.PolicyDocument(statements=[statement])
