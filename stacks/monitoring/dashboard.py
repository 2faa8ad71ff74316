"""The dashboard of a core or fleet in Amazon CloudWatch."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.monitoring import silence
from stacks.monitoring.silence import SilentCores
from stacks.monitoring.telemetry_metrics import (
    CONFIDENCE,
    DEGRADED,
    DROPPED,
    FAILED,
    LATENCY,
    RATE,
    SAMPLES,
    SOURCES,
    TelemetryMetrics,
)
from stacks.names import StackNames

WANTED = tuple(SOURCES)

_COLUMNS = (
    "latest(health) as health",
    "avg(perSecond) as framesPerSecond",
    "max(inferenceMs) as p95ms",
    "sum(failed) as failedFrames",
    "sum(samples) as keptSamples",
    "sum(dropped) as droppedMessages",
    "avg(confidence) as meanConfidence",
    "max(@timestamp) as lastHeard",
)
_PER_CORE = (f"stats {', '.join(_COLUMNS)} by core", "sort lastHeard asc", "limit 100")
"""One row per core, those that are silent for longest first."""


class Dashboard(Construct):
    """Charts of the whole core or fleet, and for a fleet a table with a row per core."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        own: StackNames,
        metrics: TelemetryMetrics,
        silent: SilentCores | cloudwatch.Metric,
    ) -> None:
        """``silent`` counts the silent cores of a fleet, or the messages of one core."""
        super().__init__(scope, construct_id)
        is_fleet = isinstance(silent, SilentCores)
        each = " (mean of the cores)" if is_fleet else ""
        charts: dict[str, list[cloudwatch.IMetric]] = {
            f"Frames per second{each}": [metrics.metric(RATE)],
            f"Inference, 95th percentile in ms{each}": [metrics.metric(LATENCY)],
            f"Confidence of the best prediction{each}": [metrics.metric(CONFIDENCE)],
            "Reports of a fault, failed frames": [metrics.metric(DEGRADED), metrics.metric(FAILED)],
            "Samples, dropped messages": [metrics.metric(SAMPLES), metrics.metric(DROPPED)],
            **_heard(silent),
        }
        rows: list[list[cloudwatch.IWidget]] = [
            [
                cloudwatch.GraphWidget(title=title, left=list(shown), width=8, height=6)
                for title, shown in list(charts.items())[begin : begin + 3]
            ]
            for begin in (0, 3)
        ]
        if is_fleet:
            rows.append([_per_core(metrics.log_group)])
        # Without a name of its own it would be replaced, and bookmarks lost, at a changed id. The
        # dashboards of an account are global: that of the same core in another Region is another.
        name = f"{own.stack}-{cdk.Aws.REGION}"
        cloudwatch.Dashboard(self, "Resource", dashboard_name=name, widgets=rows)


def _heard(silent: SilentCores | cloudwatch.Metric) -> dict[str, list[cloudwatch.IMetric]]:
    if isinstance(silent, SilentCores):
        counted = [silent.metric(silence.SILENT), silent.metric(silence.REPORTING)]
        return {"Cores silent, cores reporting": list(counted)}
    return {"Messages of telemetry: none is silence": [silent]}


def _per_core(log_group: logs.LogGroup) -> cloudwatch.LogQueryWidget:
    return cloudwatch.LogQueryWidget(
        title="Each core, the longest silent first",
        log_group_names=[log_group.log_group_name],
        query_lines=list(_PER_CORE),
        width=24,
        height=9,
    )
