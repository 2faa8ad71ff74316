"""Metrics of Amazon CloudWatch from telemetry."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iot as iot
from aws_cdk import aws_logs as logs
from constructs import Construct

from inference import names as device_names
from stacks import names
from stacks.iot_rules import sql as rule_sql
from stacks.iot_rules.log import RuleLog
from stacks.names import StackNames

MINUTE = cdk.Duration.seconds(device_names.TELEMETRY_SECONDS)

_FIELDS = (
    "topic(3) AS core",
    "health.status AS health",
    "health.faults AS faults",
    "frames.perSecond AS perSecond",
    "latencyMs.inference.p95 AS inferenceMs",
    "recent.failed AS failed",
    "recent.samples AS samples",
    "recent.dropped AS dropped",
    "recent.confidence AS confidence",
)
"""What is logged of a message: CloudWatch bills logs by size."""


@dataclass(frozen=True)
class MetricSource:
    """How a metric is read from the log: which messages, and what of them."""

    pattern: str
    value: str
    statistic: str
    has_zero: bool = False
    """Whether a message that does not match counts as zero."""


DEGRADED, CONFIDENCE = "Degraded", "Confidence"
RATE, LATENCY, FAILED = "FramesPerSecond", "InferenceMilliseconds", "FailedFrames"
SAMPLES, DROPPED = "Samples", "DroppedMessages"

SOURCES: Mapping[str, MetricSource] = {
    RATE: MetricSource("{ $.perSecond >= 0 }", "$.perSecond", "Average"),
    LATENCY: MetricSource("{ $.inferenceMs >= 0 }", "$.inferenceMs", "Average"),
    FAILED: MetricSource("{ $.failed >= 0 }", "$.failed", "Sum"),
    SAMPLES: MetricSource("{ $.samples >= 0 }", "$.samples", "Sum"),
    DROPPED: MetricSource("{ $.dropped >= 0 }", "$.dropped", "Sum"),
    CONFIDENCE: MetricSource("{ $.confidence >= 0 }", "$.confidence", "Average"),
    DEGRADED: MetricSource('{ $.health = "degraded" }', "1", "Sum", has_zero=True),
}


class TelemetryMetrics(Construct):
    """A rule of AWS IoT that logs telemetry, and filters that make metrics of the log.

    It was chosen by cost and by what it needs. A rule's own action for metrics knows no dimension,
    and bills each value of each metric as a request: $0.44 per metric, core and month, where a line
    of log with all metrics costs $0.02 per core. Embedded metrics in the component's log need a
    log collector on each core. Metrics of each core, $0.30 each, would be $2.10 per core; the log
    answers questions about single cores for what a query reads.

    ``wanted`` are the metrics that somebody looks at: each costs $0.30 a month.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, own: StackNames, wanted: Collection[str]
    ) -> None:
        super().__init__(scope, construct_id)
        self._namespace = namespace(own)
        rule_name = names.metrics_rule_name(own.stack)
        log = RuleLog(
            self,
            "Log",
            rules=rule_name,
            description=f"Logs telemetry of the {own.owner} for metrics",
            retention=logs.RetentionDays.ONE_WEEK,
        )
        self.log_group = log.group
        iot.CfnTopicRule(
            self,
            "Rule",
            rule_name=rule_name,
            topic_rule_payload=iot.CfnTopicRule.TopicRulePayloadProperty(
                description=f"Telemetry of the {own.owner} for metrics",
                sql=sql(own),
                aws_iot_sql_version=rule_sql.VERSION,
                actions=[log.action],
            ),
        )
        for name, source in SOURCES.items():
            if name in wanted:
                logs.MetricFilter(
                    self,
                    name,
                    log_group=log.group,
                    filter_pattern=logs.FilterPattern.literal(source.pattern),
                    metric_namespace=self._namespace,
                    metric_name=name,
                    metric_value=source.value,
                    default_value=0 if source.has_zero else None,
                )

    def metric(self, name: str, period: cdk.Duration = MINUTE) -> cloudwatch.Metric:
        """Return a metric that is ``wanted``."""
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            statistic=SOURCES[name].statistic,
            period=period,
        )


def namespace(own: StackNames) -> str:
    """Return the namespace of a stack's metrics, which therefore need no dimensions."""
    return f"MliGreengrass/{own.stack}"


def sql(own: StackNames) -> str:
    """Return the statement that chooses what is logged."""
    return f"SELECT {', '.join(_FIELDS)} {rule_sql.source(device_names.telemetry_topic, own)}"
