"""What a template cannot know by itself, looked up when it is deployed."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.custom_resources import RUNTIME_FOLDER

RUNTIME = lambda_.Runtime.PYTHON_3_14
_ID = "Lookups"

TIMEOUT = cdk.Duration.minutes(1)
"""Two or three calls, of which each may be retried."""


class CloudLookups(Construct):
    """A function that only reads, one a stack, behind custom resources of several kinds."""

    @classmethod
    def of(cls, scope: Construct) -> "CloudLookups":
        """Return the lookups of ``scope``'s stack, made at the first call."""
        stack = cdk.Stack.of(scope)
        found = stack.node.try_find_child(_ID)
        return found if isinstance(found, cls) else cls(stack)

    def __init__(self, stack: cdk.Stack) -> None:
        super().__init__(stack, _ID)
        log_group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self._role = iam.Role(
            self,
            "Role",
            description="Reads what the template of a Greengrass core cannot know",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        log_group.grant_write(self._role)
        self._function = lambda_.Function(
            self,
            "Function",
            description="Looks up endpoints and component versions for CloudFormation",
            runtime=RUNTIME,
            handler="custom_resources.handler.handler",
            code=lambda_.Code.from_asset(
                str(RUNTIME_FOLDER), exclude=["__pycache__", "*.pyc", ".*_cache"]
            ),
            role=self._role,
            log_group=log_group,
            timeout=TIMEOUT,
        )
        self._log_group = log_group

    def resource(
        self,
        scope: Construct,
        construct_id: str,
        *,
        resource_type: str,
        properties: Mapping[str, str],
        policy: iam.Policy,
    ) -> cdk.CustomResource:
        """Return a custom resource in ``scope``; ``policy`` is what the function needs for it."""
        policy.attach_to_role(self._role)
        resource = cdk.CustomResource(
            scope,
            construct_id,
            resource_type=resource_type,
            service_token=self._function.function_arn,
            service_timeout=TIMEOUT.plus(cdk.Duration.minutes(1)),
            properties=dict(properties),
        )
        # On deletion the reverse: leave and log group stay until the function has answered.
        resource.node.add_dependency(policy, self._role, self._log_group)
        return resource
