"""Listens to topics until it is stopped, and reconnects after interruptions."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

import paho.mqtt.client as paho
from botocore.exceptions import BotoCoreError, ClientError
from paho.mqtt.reasoncodes import ReasonCode

from inference.backoff import Backoff

from ..aws import explain
from ..errors import MliError
from .connections import Connection
from .proxy import ProxyRefusedError, proxy_for

Handle = Callable[[str, bytes], None]
_P = ParamSpec("_P")
_T = TypeVar("_T")

FIRST_SECONDS = 30.0
"""How long the first connection is tried; later ones are tried until they succeed."""

_KEEP_ALIVE_SECONDS = 60
_ACKNOWLEDGED_SECONDS = 10.0
_LOOP_SECONDS = 0.2
_REFUSED = ("Not authorized", "Bad user name or password", "Client identifier not valid")


class BrokerRefusedError(MliError):
    """The broker refuses the connection or the subscription."""


class _CallerError(Exception):
    """A function of the caller failed, such as on a full disk; the connection did not."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Listener:
    """Passes each message to ``handle``, in the thread that runs it.

    ``is_done`` is called several times per second, ``notice`` at each interruption.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Sequence[str],
        *,
        handle: Handle,
        is_done: Callable[[], bool],
        notice: Callable[[str], None],
    ) -> None:
        self.interruptions = 0
        self.is_connected = False
        self._connection = connection
        self._topics = topics
        self._handle = _distinguished(handle)
        self._is_done = _distinguished(is_done)
        self._notice = _distinguished(notice)
        self._was_connected = False
        self._first_error: Exception | None = None
        self._reasons: set[str] = set()
        """Why there is no connection at present."""

    def run(self) -> None:
        """Listen until ``is_done``.

        Raises:
            MliError: if the first connection is refused, or does not succeed in time.
            OSError: from the caller's functions, such as of a pipe that is closed.
        """
        try:
            self._run()
        except _CallerError as error:
            raise error.error from None

    def check_connected(self) -> None:
        """Return if there was a connection, or no time to find out.

        Raises:
            MliError: with the reason why there was none.
        """
        if self._first_error is not None and not self._was_connected:
            raise self._unreachable(self._first_error)

    def _run(self) -> None:
        backoff, began = Backoff(first=0.5, cap=10.0), time.monotonic()
        while not self._is_done():
            session: _Session | None = None
            try:
                session = _Session(self._connection, self._topics, self._handle, self._is_done)
                session.run(self._on_subscribed)
            except (OSError, BrokerRefusedError, BotoCoreError, ClientError) as error:
                self.is_connected = False
                if not self._was_connected:
                    self._give_up_if(error, began)
                    self._first_error = error
                elif session is not None and session.is_subscribed:
                    backoff.reset()
                    self.interruptions += 1
                    self._reasons.clear()
                    self._notice(f"the connection broke ({error}); connecting again …")
                else:
                    self._say_why_not(error)
            if not self._is_done():
                self._sleep(backoff.next())

    def _say_why_not(self, error: Exception) -> None:
        """Say why there is no connection again; it is tried on, and each reason is said once."""
        reason = self._refusal(error) or f"no connection to {self._where} yet: {explain(error)}"
        if reason not in self._reasons:
            self._reasons.add(reason)
            self._notice(reason)

    def _on_subscribed(self) -> None:
        again = "again " if self._was_connected else ""
        proxy = proxy_for(self._connection.address.host)
        through = "" if proxy is None else f" through {proxy}"
        self._was_connected = self.is_connected = True
        self._notice(
            f"connected {again}to {self._where}{through}; listening to " + ", ".join(self._topics)
        )

    def _give_up_if(self, error: Exception, began: float) -> None:
        """Raise an error that will not pass by itself."""
        if isinstance(error, BotoCoreError | ClientError):
            raise error
        where = self._where
        if (refusal := self._refusal(error)) is not None:
            raise MliError(refusal) from error
        if isinstance(error, ssl.SSLError):
            raise MliError(
                f"{where}: TLS failed: {error}; is it the endpoint of `aws iot describe-endpoint "
                "--endpoint-type iot:Data-ATS`, and is the certificate of this account and Region?"
            ) from error
        if time.monotonic() - began >= FIRST_SECONDS:
            raise self._unreachable(error) from error

    @property
    def _where(self) -> str:
        address = self._connection.address
        return f"{address.host}:{address.port}"

    def _refusal(self, error: Exception) -> str | None:
        """Return who refuses, and what would help; None if nobody does."""
        if isinstance(error, BrokerRefusedError):
            return f"{self._where} refuses: {error}; {self._connection.advice}"
        return str(error) if isinstance(error, ProxyRefusedError) else None

    def _unreachable(self, error: Exception) -> MliError:
        return MliError(
            f"{self._where} cannot be reached: {error}; is there a network, and is the port open?"
        )

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._is_done() and (left := end - time.monotonic()) > 0:
            time.sleep(min(_LOOP_SECONDS, left))


def _distinguished(call: Callable[_P, _T]) -> Callable[_P, _T]:
    """Let a function of the caller raise ``_CallerError`` in place of ``OSError``."""

    def called(*arguments: _P.args, **options: _P.kwargs) -> _T:
        try:
            return call(*arguments, **options)
        except OSError as error:
            raise _CallerError(error) from error

    return called


class _Session:
    """One connection, from connecting to disconnecting."""

    def __init__(
        self,
        connection: Connection,
        topics: Sequence[str],
        handle: Handle,
        is_done: Callable[[], bool],
    ) -> None:
        self.is_subscribed = False
        self._connection = connection
        self._topics = topics
        self._is_done = is_done
        self._fault: Exception | None = None
        self._is_connected = False
        self._awaited: int | None = None
        self._client = connection.client()
        self._client.on_connect = lambda c, u, f, reason, p: self._on_connect(reason)
        self._client.on_subscribe = lambda c, u, m, reasons, p: self._on_subscribe(reasons)
        self._client.on_message = lambda c, u, m: self._on_message(m, handle)

    def run(self, on_subscribed: Callable[[], None]) -> None:
        """Connect, subscribe and stay.

        Raises:
            OSError: if there is no connection, or it breaks.
            BrokerRefusedError: if the broker refuses.
        """
        address = self._connection.address
        try:
            self._client.connect(address.host, address.port, _KEEP_ALIVE_SECONDS)
        except paho.WebsocketConnectionError as error:
            raise BrokerRefusedError(str(error)) from error
        try:
            self._until(lambda: self._is_connected, "the connection")
            self._client.subscribe([(topic, 1) for topic in self._topics])
            self._until(lambda: self.is_subscribed, "the subscription")
            if not self._is_done():
                on_subscribed()
            while not self._is_done():
                self._loop()
        finally:
            with contextlib.suppress(OSError):
                self._client.disconnect()
                self._client.loop(_LOOP_SECONDS)

    def _until(self, happened: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _ACKNOWLEDGED_SECONDS
        while not happened() and not self._is_done():
            if time.monotonic() >= deadline:
                raise ConnectionError(f"the broker did not acknowledge {what} in time")
            self._loop()

    def _loop(self) -> None:
        result = self._client.loop(_LOOP_SECONDS)
        if self._fault is not None:
            raise self._fault
        if result != paho.MQTT_ERR_SUCCESS:
            if not self._is_connected:
                # AWS IoT closes the connection of a client that may not connect, without a reason.
                raise BrokerRefusedError(
                    "the broker closed the connection before it was established"
                )
            raise ConnectionError(paho.error_string(result))

    def _on_message(self, message: paho.MQTTMessage, handle: Handle) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # no core publishes on such a topic, and MQTT forbids it
        if not self._is_done():
            handle(topic, message.payload)

    def _on_connect(self, reason: ReasonCode) -> None:
        if not reason.is_failure:
            self._is_connected = True
        elif str(reason) in _REFUSED:
            self._fault = BrokerRefusedError(str(reason))
        else:
            self._fault = ConnectionError(str(reason))

    def _on_subscribe(self, reasons: Sequence[ReasonCode]) -> None:
        if any(reason.is_failure for reason in reasons):
            self._fault = BrokerRefusedError("the subscription is not allowed")
        else:
            self.is_subscribed = True
