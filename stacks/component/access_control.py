"""The permission that the nucleus gives the component: the topics on which it may publish."""

from collections.abc import Mapping, Sequence
from typing import Any

_CLOUD = "aws.greengrass#PublishToIoTCore"
_LOCAL = "aws.greengrass#PublishToTopic"


def access_control(
    component_name: str, topics: Sequence[str], local_topic: str | None = None
) -> Mapping[str, Any]:
    """Return the permission to publish on exactly these ``topics`` of AWS IoT Core.

    ``local_topic``, if there is one, is a topic between the components of the device. Topics are
    literal, because nucleus lite v2.6.0 does not substitute ``{iot:thingName}``. The description is
    short, because a fleet's deployment carries it to every core.
    """
    found = {"aws.greengrass.ipc.mqttproxy": _policy(component_name, "mqttproxy", _CLOUD, topics)}
    if local_topic is not None:
        found["aws.greengrass.ipc.pubsub"] = _policy(
            component_name, "pubsub", _LOCAL, [local_topic]
        )
    return found


def _policy(
    component_name: str, service: str, operation: str, topics: Sequence[str]
) -> dict[str, Any]:
    return {
        f"{component_name}:{service}:1": {
            "policyDescription": "Publish results",
            "operations": [operation],
            "resources": list(topics),
        }
    }
