"""What watches a core or fleet: either of dashboard and alarms, or both from the same metrics."""

from constructs import Construct

from stacks.context.settings import Settings
from stacks.core.telemetry_table import TelemetryTable
from stacks.monitoring import alarms, dashboard, silence
from stacks.monitoring.alarms import Alarms
from stacks.monitoring.dashboard import Dashboard
from stacks.monitoring.silence import SilentCores
from stacks.monitoring.telemetry_metrics import TelemetryMetrics


class Monitoring(Construct):
    """The dashboard and the alarms that the settings ask for, of which there is at least one."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        telemetry_table: TelemetryTable,
    ) -> None:
        super().__init__(scope, construct_id)
        own = settings.names
        wanted = {*(alarms.WANTED if settings.alarm_email else ())}
        wanted |= {*(dashboard.WANTED if settings.dashboard else ())}
        metrics = TelemetryMetrics(self, "Metrics", own=own, wanted=wanted)
        silent = (
            silence.messages_of_core(telemetry_table)
            if settings.fleet_name is None
            else SilentCores(
                self,
                "SilentCores",
                own=own,
                thing_groups=settings.thing_groups,
                telemetry_table=telemetry_table,
            )
        )
        if settings.dashboard:
            Dashboard(self, "Dashboard", own=own, metrics=metrics, silent=silent)
        if settings.alarm_email is not None:
            Alarms(
                self,
                "Alarms",
                own=own,
                address=settings.alarm_email,
                metrics=metrics,
                silent=silent,
            )
