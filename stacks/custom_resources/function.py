"""A Lambda function with its role and its log group, and one that is behind custom resources."""

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

RUNTIME = lambda_.Runtime.PYTHON_3_14
RUNTIME_FOLDER = Path(__file__).resolve().parent / "runtime"
"""The asset of every function: the package ``custom_resources``, one module per handler."""

_SPARE_TIME = cdk.Duration.minutes(1)
"""How much longer CloudFormation waits than the function may run, for the answer to arrive."""


class RuntimeFunction(Construct):
    """A function that may write to its own log group; policies for more are attached to its role.

    ``module`` is the module of ``runtime/custom_resources`` that has the handler. With
    ``inline_log_policy`` the permission to write logs is part of the role; otherwise it is a policy
    attached to it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        module: str,
        description: str,
        role_description: str,
        timeout: cdk.Duration,
        inline_log_policy: bool = False,
        memory_size: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.timeout = timeout
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(
            self,
            "Role",
            description=role_description,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"Logs": _write(self.log_group)} if inline_log_policy else None,
        )
        if not inline_log_policy:
            self.log_group.grant_write(self.role)
        self.function = lambda_.Function(
            self,
            "Function",
            description=description,
            runtime=RUNTIME,
            handler=f"custom_resources.{module}.handler",
            code=lambda_.Code.from_asset(
                str(RUNTIME_FOLDER), exclude=["__pycache__", "*.pyc", ".*_cache"]
            ),
            role=self.role,
            log_group=self.log_group,
            timeout=timeout,
            memory_size=memory_size,
            environment=environment,
        )


class CustomResourceFunction(RuntimeFunction):
    """A function that creates, updates and deletes custom resources."""

    def custom_resource(
        self,
        scope: Construct,
        construct_id: str,
        *,
        resource_type: str,
        properties: Mapping[str, object],
    ) -> cdk.CustomResource:
        """Return a custom resource in ``scope`` that the function creates, updates and deletes."""
        return cdk.CustomResource(
            scope,
            construct_id,
            resource_type=resource_type,
            service_token=self.function.function_arn,
            service_timeout=self.timeout.plus(_SPARE_TIME),
            properties=dict(properties),
        )


def _write(log_group: logs.LogGroup) -> iam.PolicyDocument:
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    statement = iam.PolicyStatement(actions=actions, resources=[log_group.log_group_arn])
    return iam.PolicyDocument(statements=[statement])
