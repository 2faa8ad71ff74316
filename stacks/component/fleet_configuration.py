"""The configuration that one deployment gives to all cores of a fleet.

Both ways to create a fleet use it: the stack (``thingGroupName``) and the command (``mli fleet``).
"""

from collections.abc import Mapping
from typing import Any

from inference import names as device_names
from inference.component.nucleus import ANY_CORE

_MQTT_PROXY = "aws.greengrass.ipc.mqttproxy"


def for_all_cores(configuration: Mapping[str, Any], core_name: str) -> dict[str, Any]:
    """Return the ``configuration`` of the core ``core_name``, adapted to every core of a fleet.

    Each core derives its name from its thing's. Its nucleus lets it publish on the topics of every
    core; the policy of its certificate still allows only its own.
    """
    changed = {**configuration, "coreName": ANY_CORE}
    if "accessControl" in configuration:
        changed["accessControl"] = _access_control(configuration["accessControl"], core_name)
    return changed


def _access_control(services: Mapping[str, Any], core_name: str) -> dict[str, Any]:
    policies = {
        name: {
            **policy,
            "resources": [_topic(topic, core_name) for topic in policy.get("resources", [])],
        }
        for name, policy in services.get(_MQTT_PROXY, {}).items()
    }
    return {**services, **({_MQTT_PROXY: policies} if policies else {})}


def _topic(topic: str, core_name: str) -> str:
    """Return the topic of all cores for a topic of this core; another one stays as it is."""
    for of_core in (device_names.prediction_topic, device_names.telemetry_topic):
        if topic == of_core(core_name):
            return of_core(ANY_CORE)
    return topic
