"""Whether a component's own configuration allows it an operation on a topic."""

from __future__ import annotations

from typing import Any

from .configuration import ConfigurationStore, KeyNotFoundError
from .errors import UnauthorizedError
from .topics import resource_allows

MQTT_PROXY = "aws.greengrass.ipc.mqttproxy"
PUBSUB = "aws.greengrass.ipc.pubsub"
NAMESPACE = "aws.greengrass#"


class Authorizer:
    """Applies the ``accessControl`` in the component's current configuration.

    Its shape: service → policy id → {operations, resources}. A resource may contain the thing's
    name as ``{iot:thingName}``, unless ``thing_name`` is None, as on nucleus lite 2.6.0.
    """

    def __init__(self, configurations: ConfigurationStore, thing_name: str | None) -> None:
        self._configurations = configurations
        self._thing_name = thing_name

    def check(self, component: str, service: str, operation: str, topic: str) -> None:
        """Return if a policy of ``service`` allows ``operation`` on ``topic``.

        Raises:
            UnauthorizedError: if none does.
        """
        for policy in self._policies(component, service):
            operations = _texts(policy, "operations")
            if not {"*", NAMESPACE + operation} & set(operations):
                continue
            for resource in _texts(policy, "resources"):
                if resource_allows(self._concrete(resource), topic):
                    return
        raise UnauthorizedError(
            f"Principal {component} is not authorized to perform "
            f"{service}:{NAMESPACE}{operation} on resource {topic}"
        )

    def _concrete(self, resource: str) -> str:
        if self._thing_name is None:
            return resource
        return resource.replace("{iot:thingName}", self._thing_name)

    def _policies(self, component: str, service: str) -> list[Any]:
        try:
            policies = self._configurations.get(component, ("accessControl", service))
        except KeyNotFoundError:
            return []
        return list(policies.values()) if isinstance(policies, dict) else []


def _texts(policy: Any, key: str) -> list[str]:
    values = policy.get(key) if isinstance(policy, dict) else None
    if not isinstance(values, list):
        return []
    return [value for value in values if isinstance(value, str)]
