"""Dashboard and alarms of a core or fleet, from its telemetry."""
