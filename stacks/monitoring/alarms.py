"""Alarms on silence, on faults, and on the drift of confidence."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct

from inference.names import SILENT_INTERVALS
from stacks.monitoring import silence
from stacks.monitoring.alarm_topic import AlarmTopic
from stacks.monitoring.silence import SilentCores
from stacks.monitoring.telemetry_metrics import CONFIDENCE, DEGRADED, TelemetryMetrics
from stacks.names import StackNames

WANTED = (DEGRADED, CONFIDENCE)

_HOUR = cdk.Duration.hours(1)
_DRIFT_HOURS = 3
_STANDARD_DEVIATIONS = 3
_Missing = cloudwatch.TreatMissingData
_Operator = cloudwatch.ComparisonOperator


class Alarms(Construct):
    """Three alarms, each to an e-mail address when it begins and when it ends."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        own: StackNames,
        address: str,
        metrics: TelemetryMetrics,
        silent: SilentCores | cloudwatch.Metric,
    ) -> None:
        """``silent`` counts the silent cores of a fleet, or the messages of one core."""
        super().__init__(scope, construct_id)
        self._own = own
        topic = AlarmTopic(self, "Notification", owner=own.owner, address=address).topic
        notify = actions.SnsAction(topic)
        for alarm in (self._silence(silent), self._fault(metrics), self._drift(metrics)):
            alarm.add_alarm_action(notify)
            alarm.add_ok_action(notify)

    def _silence(self, silent: SilentCores | cloudwatch.Metric) -> cloudwatch.Alarm:
        if isinstance(silent, SilentCores):
            return cloudwatch.Alarm(
                self,
                "Silence",
                alarm_description=f"Cores of the {self._own.owner} have fallen silent. "
                f"`mli fleet status {self._own.thing_group}` names them.",
                metric=silent.metric(silence.SILENT),
                threshold=1,
                comparison_operator=_Operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                evaluation_periods=1,
                # The function that counts them says zero if there are none.
                treat_missing_data=_Missing.BREACHING,
            )
        return cloudwatch.Alarm(
            self,
            "Silence",
            alarm_description=f"The {self._own.owner} sends nothing. "
            f"`mli status {self._own.core}` shows what it said last.",
            metric=silent,
            threshold=1,
            comparison_operator=_Operator.LESS_THAN_THRESHOLD,
            evaluation_periods=SILENT_INTERVALS,
            treat_missing_data=_Missing.BREACHING,
        )

    def _fault(self, metrics: TelemetryMetrics) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            "Fault",
            alarm_description=f"The {self._own.owner} reports a fault, in three of the last five "
            "minutes: telemetry has it in `health.faults`.",
            metric=metrics.metric(DEGRADED),
            threshold=1,
            comparison_operator=_Operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=5,
            datapoints_to_alarm=3,
            treat_missing_data=_Missing.NOT_BREACHING,
        )

    def _drift(self, metrics: TelemetryMetrics) -> cloudwatch.AnomalyDetectionAlarm:
        """Return the alarm on confidence that is not as it used to be.

        Which confidence is usual depends on the model, the scene and the hour: CloudWatch learns it
        in up to two weeks. A fixed band would be a guess, or one more setting.
        """
        return cloudwatch.AnomalyDetectionAlarm(
            self,
            "Drift",
            alarm_description=f"The mean confidence of the {self._own.owner} left its usual band "
            f"for {_DRIFT_HOURS} hours: a dirty lens, another scene, or a model that no longer "
            "fits.",
            metric=metrics.metric(CONFIDENCE, _HOUR),
            std_devs=_STANDARD_DEVIATIONS,
            comparison_operator=_Operator.LESS_THAN_LOWER_OR_GREATER_THAN_UPPER_THRESHOLD,
            evaluation_periods=_DRIFT_HOURS,
            treat_missing_data=_Missing.IGNORE,
        )
