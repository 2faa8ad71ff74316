"""The nucleus as a component sees it: its configuration, and IoT Core behind it."""

from __future__ import annotations

from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from .schema import ConfigurationError, Fault

_SECONDS = 20


class Nucleus:
    """A connection to the nucleus over its IPC socket, which the client's environment names."""

    def __init__(self) -> None:
        """Connect.

        Raises:
            OSError: if the nucleus cannot be reached or refuses the component.
        """
        from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

        try:
            self._client = GreengrassCoreIPCClientV2()
        except Exception as error:  # the client raises whatever its runtime does
            raise OSError(f"the Greengrass nucleus cannot be reached: {error!r}") from None

    def configuration(self) -> dict[str, Any]:
        """Return the component's whole configuration.

        Raises:
            OSError: if the nucleus does not answer.
            ConfigurationError: if the configuration is not an object.
        """
        values = self._call(self._client.get_configuration_async(key_path=[])).value
        if not isinstance(values, dict):
            raise ConfigurationError([Fault("configuration", values, "must be a JSON object")])
        return values

    def publish_to_iot_core(self, topic: str, payload: bytes) -> None:
        """Publish ``payload`` with QoS 1.

        Raises:
            OSError: if the nucleus refuses it, is offline, or does not answer.
        """
        self._call(
            self._client.publish_to_iot_core_async(topic_name=topic, qos="1", payload=payload)
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _call(self, future: Any) -> Any:
        try:
            return future.result(timeout=_SECONDS)
        except FutureTimeout:
            raise OSError(f"the Greengrass nucleus did not answer within {_SECONDS} s") from None
        except Exception as error:  # the client raises its own errors for each refusal
            message = getattr(error, "message", None) or repr(error)
            raise OSError(f"the Greengrass nucleus refused: {message}") from None
