"""The permission that the nucleus gives the component: the topics on which it may publish."""

from collections.abc import Mapping, Sequence
from typing import Any


def access_control(component_name: str, topics: Sequence[str]) -> Mapping[str, Any]:
    """Return the permission to publish on exactly these ``topics`` of AWS IoT Core.

    Topics are literal, because nucleus lite v2.6.0 does not substitute ``{iot:thingName}``. The
    description is short, because a fleet's deployment carries it to every core.
    """
    return {
        "aws.greengrass.ipc.mqttproxy": {
            f"{component_name}:mqttproxy:1": {
                "policyDescription": "Publish results",
                "operations": ["aws.greengrass#PublishToIoTCore"],
                "resources": list(topics),
            }
        }
    }
