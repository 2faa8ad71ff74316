"""How silence becomes a metric: nobody sends it."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as event_targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from inference.names import SILENT_INTERVALS, TELEMETRY_SECONDS
from stacks.arns import regional_arn
from stacks.core.last_words import LastWords
from stacks.custom_resources.function import RUNTIME, RUNTIME_FOLDER
from stacks.monitoring.telemetry_metrics import MINUTE, namespace
from stacks.names import StackNames

SILENT, REPORTING = "CoresSilent", "CoresReporting"
_EVERY = cdk.Duration.minutes(3)
_PERIOD = cdk.Duration.minutes(5)
"""Longer than the time between two runs, so that each period has a value."""


def messages_of_core(last_words: LastWords) -> cloudwatch.Metric:
    """Return the metric of AWS IoT that counts the telemetry of one core, free of charge.

    https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
    """
    return cloudwatch.Metric(
        namespace="AWS/IoT",
        metric_name="TopicMatch",
        dimensions_map={"RuleName": last_words.rule_name},
        statistic="Sum",
        period=MINUTE,
    )


class SilentCores(Construct):
    """A function that counts the cores of a fleet that were heard once, and are silent now.

    No rule sees a message that is not sent, and the messages of other cores hide it in every sum.
    So the function compares the table of the newest telemetry with the members of the fleet. A core
    that was never heard is not counted: it may not be installed yet. It writes its metrics into its
    log in CloudWatch's embedded metric format, for which it needs no permission.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        own: StackNames,
        last_words: LastWords,
    ) -> None:
        super().__init__(scope, construct_id)
        self._namespace = namespace(own)
        log_group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays.ONE_WEEK,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        role = iam.Role(
            self,
            "Role",
            description=f"Counts silent cores of the {own.owner}",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={
                "Count": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="ReadTelemetry",
                            actions=["dynamodb:Scan"],
                            resources=[last_words.table_arn],
                        ),
                        iam.PolicyStatement(
                            sid="ListMembers",
                            actions=["iot:ListThingsInThingGroup"],
                            resources=[regional_arn("iot", f"thinggroup/{own.thing_group}")],
                        ),
                        iam.PolicyStatement(
                            sid="WriteLog",
                            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                            resources=[log_group.log_group_arn],
                        ),
                    ]
                )
            },
        )
        function = lambda_.Function(
            self,
            "Function",
            description=f"Counts silent cores of the {own.owner}",
            runtime=RUNTIME,
            handler="custom_resources.silent_cores.handler",
            code=lambda_.Code.from_asset(
                str(RUNTIME_FOLDER), exclude=["__pycache__", "*.pyc", ".*_cache"]
            ),
            role=role.without_policy_updates(),
            log_group=log_group,
            timeout=cdk.Duration.minutes(2),
            environment={
                "TABLE": last_words.table_name,
                "THING_GROUP": own.thing_group,
                "NAMESPACE": self._namespace,
                "SILENT_SECONDS": str(SILENT_INTERVALS * TELEMETRY_SECONDS),
            },
        )
        events.Rule(
            self,
            "Schedule",
            description=f"Counts silent cores of the {own.owner}",
            schedule=events.Schedule.rate(_EVERY),
            targets=[event_targets.LambdaFunction(function)],
        )

    def metric(self, name: str) -> cloudwatch.Metric:
        """Return the metric ``SILENT`` or ``REPORTING``."""
        return cloudwatch.Metric(
            namespace=self._namespace, metric_name=name, statistic="Maximum", period=_PERIOD
        )
