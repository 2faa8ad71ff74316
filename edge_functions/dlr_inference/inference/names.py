"""Topics, limits and patterns that device, cloud and templates must agree on."""

from __future__ import annotations

PREDICTION_TOPIC = "mli/predictions/{core_name}"
TELEMETRY_TOPIC = "mli/telemetry/{core_name}"
PREVIEW_TOPIC = "mli/preview/{core_name}"
FEEDBACK_PREDICTION_TOPIC = "feedback/message/prediction"
FEEDBACK_STATUS_TOPIC = "feedback/message/status"

ANY_CORE = "*"
"""The ``coreName`` in the configuration of a fleet, which is one for all of its cores."""

MAX_MESSAGE_BYTES = 7_000
"""Largest payload published: nucleus lite closes the connection near 7,300 bytes."""

TELEMETRY_SECONDS = 60
"""How often a core sends telemetry without another reason."""
SHORTEST_PREVIEW_SECONDS = 1
"""The shortest time between two live pictures of a core, of whichever source."""
SILENT_INTERVALS = 3
"""A core is silent if it misses this many messages: one or two may be lost, or wait on it."""

LOCAL_TOPIC_PATTERN = r"(?=.{1,128}\Z)[a-zA-Z0-9][a-zA-Z0-9_.:-]*(?:/[a-zA-Z0-9_.:-]+)*"
"""A topic between components: without the characters that are wildcards in a topic or a policy, and
short enough that the largest message passes through the IPC of nucleus lite."""

THING_SUFFIX = "_Core"
"""The name of a core's thing is the core's name and this."""

CORE_NAME_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}"
"""A core's name is part of a thing name, MQTT topics, stack names and component names."""


def prediction_topic(core_name: str) -> str:
    """Return the topic on which the core called ``core_name`` publishes its predictions."""
    return PREDICTION_TOPIC.format(core_name=core_name)


def telemetry_topic(core_name: str) -> str:
    """Return the topic on which the core called ``core_name`` reports its counters and health."""
    return TELEMETRY_TOPIC.format(core_name=core_name)


def preview_topic(core_name: str) -> str:
    """Return the topic on which the core called ``core_name`` publishes small live pictures."""
    return PREVIEW_TOPIC.format(core_name=core_name)
