"""Operations about the component itself: its configuration and its state.

Rules: https://docs.aws.amazon.com/greengrass/v2/developerguide/ipc-component-configuration.html
and https://docs.aws.amazon.com/greengrass/v2/developerguide/ipc-component-lifecycle.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .configuration import ConfigurationStore, KeyNotFoundError, KeyPath
from .errors import InvalidArgumentsError, ResourceNotFoundError
from .operations import Call, Operation
from .stream import Body

_REPORTABLE_STATES = ("RUNNING", "ERRORED")

OnState = Callable[[str, str], None]
"""Called with a component and the state that it reports: RUNNING or ERRORED."""


class ConfigurationService:
    """GetConfiguration, UpdateConfiguration and SubscribeToConfigurationUpdate."""

    def __init__(self, store: ConfigurationStore) -> None:
        self._store = store

    def operations(self) -> Mapping[str, Operation]:
        """Return the three operations."""
        return {
            "GetConfiguration": Operation(self._get),
            "UpdateConfiguration": Operation(self._update),
            "SubscribeToConfigurationUpdate": Operation(self._subscribe, subscribes=True),
        }

    def _get(self, call: Call) -> Body:
        component, key_path = _target(call), call.request.key_path()
        try:
            value = self._store.get(component, key_path)
        except KeyNotFoundError:
            raise ResourceNotFoundError("Key not found") from None
        whole = value if isinstance(value, dict) else {key_path[-1]: value}
        return {"componentName": component, "value": whole}

    def _update(self, call: Call) -> Body:
        key_path = call.request.key_path()
        values = call.request.mapping("valueToMerge")
        if "accessControl" in (key_path[:1] or values):
            raise InvalidArgumentsError(
                "Config update is not allowed for following fields [accessControl]"
            )
        self._store.merge(call.component, key_path, values)
        return {}

    def _subscribe(self, call: Call) -> Body:
        def tell(component: str, leaf: KeyPath) -> None:
            event = {"componentName": component, "keyPath": list(leaf)}
            call.events.send("ConfigurationUpdateEvents", {"configurationUpdateEvent": event})

        try:
            unwatch = self._store.watch(_target(call), call.request.key_path(), tell)
        except KeyNotFoundError:
            raise ResourceNotFoundError("Key not found") from None
        call.events.on_close(unwatch)
        return {}


class StateService:
    """UpdateState."""

    def __init__(self, on_state: OnState) -> None:
        self._on_state = on_state

    def operations(self) -> Mapping[str, Operation]:
        """Return the operation."""
        return {"UpdateState": Operation(self._update)}

    def _update(self, call: Call) -> Body:
        state = call.request.text("state")
        if state not in _REPORTABLE_STATES:
            raise InvalidArgumentsError("state must be one of " + ", ".join(_REPORTABLE_STATES))
        self._on_state(call.component, state)
        return {}


def _target(call: Call) -> str:
    return call.request.optional_text("componentName") or call.component
