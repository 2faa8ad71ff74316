"""The nucleus as a component sees it: its configuration, and IoT Core behind it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any, Callable

from ..errors import RefusedError
from ..names import ANY_CORE, THING_SUFFIX
from ..schema import ConfigurationError, Fault

_SECONDS = 20
_CLOSE_SECONDS = 0.5
_FINAL = ("UnauthorizedError", "InvalidArgumentsError", "InvalidTokenError")
"""Errors by which the nucleus refuses a call permanently; the connection stays usable."""
_PASSING = ("ServiceError", "ResourceNotFoundError", "ConflictError")
"""Errors of the services behind the nucleus; the connection stays usable."""


_REFUSALS = 3
_REFUSED_SECONDS = 10.0
"""This many refusals in a row, over at least this time, are final. A nucleus that ends may refuse
once."""
_REFUSED = ("AccessDeniedError", "ConnectionClosedError", "AwsCrtError")
"""How the client reports a nucleus that answers and refuses, or closes without an answer, as lite
does. A nucleus that is away is a ``RuntimeError``."""


class Nucleus:
    """A connection to the nucleus over its IPC socket, which the client's environment names.

    The client neither times out nor reconnects by itself. After a call that takes too long, or an
    error of the connection, this class drops the connection and opens a new one for the next call.
    """

    def __init__(self) -> None:
        """Connect.

        Raises:
            OSError: if the nucleus cannot be reached or refuses the component.
        """
        # The client logs each error that it also raises, and those of a lost nucleus repeat.
        logging.getLogger("awsiot.eventstreamrpc").setLevel(logging.CRITICAL)
        self.sample_folder = ""
        """The folder of this core's samples below each prefix: its thing's name in a fleet."""
        self._lock = threading.Lock()
        self._client: Any = None
        self._on_change: Callable[[], None] | None = None
        self._on_refused: Callable[[], None] | None = None
        self._refused_at: list[float] = []
        self._connected()

    def configuration(self) -> dict[str, Any]:
        """Return the component's whole configuration.

        A deployment to a fleet is for its whole group and has ``*`` as the core's name. The core
        then takes its name from its thing: the thing's name without ``_Core`` at the end. Its
        samples go below its thing's name, where alone the role of the fleet lets it write.

        Raises:
            OSError: if the nucleus does not answer.
            ConfigurationError: if the configuration is not an object.
        """
        values = self._call(lambda client: client.get_configuration_async(key_path=[])).value
        if not isinstance(values, dict):
            raise ConfigurationError([Fault("configuration", values, "must be a JSON object")])
        thing = ""
        if values.get("coreName") == ANY_CORE:
            thing = os.environ.get("AWS_IOT_THING_NAME", "")
            values["coreName"] = _core_of(thing)
        self.sample_folder = thing  # once: the uploader reads it on its own thread
        return values

    def watch_configuration(self, on_change: Callable[[], None]) -> None:
        """Call ``on_change`` at each change of the configuration, on one of the client's threads.

        It is also called after a lost connection, because changes in between are not reported.

        Raises:
            OSError: if the nucleus does not answer.
        """
        self._on_change = on_change
        self._call(self._subscription)

    def watch_refusals(self, on_refused: Callable[[], None]) -> None:
        """Call ``on_refused`` when the nucleus no longer accepts this component's token.

        Nucleus lite forgets its tokens when its IPC daemon restarts. A nucleus that cannot be
        reached refuses nothing: it may return.
        """
        self._on_refused = on_refused

    def report_state(self, state: str) -> None:
        """Report ``RUNNING`` or ``ERRORED`` to the nucleus.

        Raises:
            OSError: if the nucleus does not answer.
        """
        self._call(lambda client: client.update_state_async(state=state))

    def publish_to_iot_core(self, topic: str, payload: bytes) -> None:
        """Publish ``payload`` with QoS 1.

        Raises:
            RefusedError: if the component may not publish there.
            OSError: if the nucleus is offline, or does not answer.
        """
        self._call(
            lambda client: client.publish_to_iot_core_async(
                topic_name=topic, qos="1", payload=payload
            )
        )

    def publish_to_topic(self, topic: str, payload: bytes) -> None:
        """Publish ``payload`` to the other components of the device.

        Raises:
            RefusedError: if the component may not publish there.
            OSError: if the nucleus does not answer.
        """
        from awsiot.greengrasscoreipc.model import BinaryMessage, PublishMessage

        message = PublishMessage(binary_message=BinaryMessage(message=payload))
        self._call(
            lambda client: client.publish_to_topic_async(topic=topic, publish_message=message)
        )

    def close(self) -> None:
        """Close the connection, unless it is just being opened and that hangs."""
        if not self._lock.acquire(timeout=_CLOSE_SECONDS):
            return
        try:
            client, self._client = self._client, None
        finally:
            self._lock.release()
        _close(client)

    def _connected(self) -> Any:
        from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

        with self._lock:
            if self._client is None:
                client = None
                try:
                    client = GreengrassCoreIPCClientV2()
                    if self._on_change is not None:
                        self._subscription(client).result(timeout=_SECONDS)
                        self._on_change()
                except Exception as error:  # the client raises whatever its runtime raises
                    _close(client)
                    self._note_refusal(client is None and type(error).__name__ in _REFUSED)
                    raise OSError(f"the nucleus cannot be reached: {error!r}") from None
                self._client = client
                self._refused_at.clear()
            return self._client

    def _note_refusal(self, refused: bool) -> None:
        """Count refusals in a row, and report them when they are final."""
        now = time.monotonic()
        self._refused_at = [*self._refused_at, now] if refused else []
        is_final = len(self._refused_at) >= _REFUSALS and now - self._refused_at[0] >= (
            _REFUSED_SECONDS
        )
        if is_final and self._on_refused is not None:
            self._on_refused()

    def _subscription(self, client: Any) -> Any:
        """Subscribe to changes; return the future of the nucleus's answer."""

        def on_event(_: Any) -> None:
            if self._on_change is not None:
                self._on_change()

        future, _ = client.subscribe_to_configuration_update_async(
            key_path=[], on_stream_event=on_event
        )
        return future

    def _call(self, operation: Callable[[Any], Any]) -> Any:
        client = self._connected()
        try:
            return operation(client).result(timeout=_SECONDS)
        except Exception as error:  # the client has an exception class for each refusal
            kind = type(error).__name__
            message = f"{kind}: {getattr(error, 'message', None) or error}"
            if kind in _FINAL:
                raise RefusedError(f"the nucleus refused: {message}") from None
            if kind not in _PASSING:
                self.close()
            raise OSError(f"the call to the nucleus failed: {message}") from None


def component_version(model: Path) -> str:
    """Return the component's version, which is the name of the folder of its artifacts."""
    name = model.parent.name
    return name if name.count(".") == 2 and name.replace(".", "").isdigit() else "unknown"


def component_name(model: Path) -> str | None:
    """Return the component's name, which is that of the folder of its versions' artifacts."""
    return None if component_version(model) == "unknown" else model.parent.parent.name


def _core_of(thing: str) -> str:
    return thing[: -len(THING_SUFFIX)] if thing.endswith(THING_SUFFIX) else thing


def _close(client: Any) -> None:
    if client is not None:
        with contextlib.suppress(Exception):
            client.close()
