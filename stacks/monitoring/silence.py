"""How silence becomes a metric: nobody sends it."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as event_targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from inference.names import SILENT_INTERVALS, TELEMETRY_SECONDS
from stacks.arns import regional_arn
from stacks.core.telemetry_table import TelemetryTable
from stacks.custom_resources.function import RuntimeFunction
from stacks.monitoring.telemetry_metrics import MINUTE, namespace
from stacks.names import StackNames

SILENT, REPORTING = "CoresSilent", "CoresReporting"
_EVERY = cdk.Duration.minutes(3)
_PERIOD = cdk.Duration.minutes(5)
"""Longer than the time between two runs, so that each period has a value."""


def messages_of_core(telemetry_table: TelemetryTable) -> cloudwatch.Metric:
    """Return the metric of AWS IoT that counts the telemetry of one core, free of charge.

    https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
    """
    return cloudwatch.Metric(
        namespace="AWS/IoT",
        metric_name="TopicMatch",
        dimensions_map={"RuleName": telemetry_table.rule_name},
        statistic="Sum",
        period=MINUTE,
    )


class SilentCores(Construct):
    """A function that counts the cores of a fleet that were heard once, and are silent now.

    No rule sees a message that is not sent, and the messages of other cores hide it in every sum.
    So the function compares the table of the newest telemetry with the members of the fleet, which
    are in ``thing_groups``. A core that was never heard is not counted: it may not be installed
    yet. It writes its metrics into its log in CloudWatch's embedded metric format, for which it
    needs no permission.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        own: StackNames,
        thing_groups: Sequence[str],
        telemetry_table: TelemetryTable,
    ) -> None:
        super().__init__(scope, construct_id)
        self._namespace = namespace(own)
        count = RuntimeFunction(
            self,
            "Count",
            module="silent_cores",
            description=f"Counts silent cores of the {own.owner}",
            role_description=f"Counts silent cores of the {own.owner}",
            timeout=cdk.Duration.minutes(2),
            environment={
                "TABLE": telemetry_table.table_name,
                "THING_GROUPS": ",".join(thing_groups),
                "NAMESPACE": self._namespace,
                "SILENT_SECONDS": str(SILENT_INTERVALS * TELEMETRY_SECONDS),
            },
        )
        iam.Policy(
            self,
            "Policy",
            roles=[count.role],
            statements=[
                iam.PolicyStatement(
                    sid="ReadTelemetry",
                    actions=["dynamodb:Scan"],
                    resources=[telemetry_table.table_arn],
                ),
                iam.PolicyStatement(
                    sid="ListMembers",
                    actions=["iot:ListThingsInThingGroup"],
                    resources=[regional_arn("iot", f"thinggroup/{name}") for name in thing_groups],
                ),
            ],
        )
        events.Rule(
            self,
            "Schedule",
            description=f"Counts silent cores of the {own.owner}",
            schedule=events.Schedule.rate(_EVERY),
            targets=[event_targets.LambdaFunction(count.function)],
        )

    def metric(self, name: str) -> cloudwatch.Metric:
        """Return the metric ``SILENT`` or ``REPORTING``."""
        return cloudwatch.Metric(
            namespace=self._namespace, metric_name=name, statistic="Maximum", period=_PERIOD
        )
