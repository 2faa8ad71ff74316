"""What a listener does and says while it has no connection."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from local_core.device.setup import Address
from mli.watch import listener as listening
from mli.watch.connections import Connection
from mli.watch.listener import BrokerRefusedError, Listener


class Scripted(Connection):
    """Connections that go on as ``events`` say; None is one that is established, then broken."""

    advice = "have the credentials expired?"

    def __init__(self, events: list[Exception | None]) -> None:
        self.address = Address("broker", 443)
        self.client_id = "watch"
        self.events = events

    def client(self) -> paho.Client:
        """Return a client that nothing uses, or fail as credentials do that have expired."""
        if self.events and isinstance(self.events[0], botocore.exceptions.BotoCoreError):
            raise self.events.pop(0)  # type: ignore[misc]
        return paho.Client(CallbackAPIVersion.VERSION2)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let sessions follow the script, without a broker and without pauses; return the notices."""

    def run(session: Any, on_subscribed: Any) -> None:
        event = session._connection.events.pop(0)
        if event is None:
            session.is_subscribed = True
            on_subscribed()
            raise ConnectionError("reset")
        raise event

    monkeypatch.setattr(listening._Session, "run", run)
    monkeypatch.setattr(Listener, "_sleep", lambda self, seconds: None)
    return []


def listen(said: list[str], *events: Exception | None) -> Listener:
    script = list(events)
    made = Listener(
        Scripted(script),
        ["mli/#"],
        handle=lambda topic, payload: None,
        is_done=lambda: not script,
        notice=said.append,
    )
    made.run()
    return made


def test_a_broker_that_refuses_to_connect_again_is_named_once(said: list[str]) -> None:
    refused = BrokerRefusedError("403 Forbidden")
    again = ConnectionRefusedError("refused")
    listen(said, None, again, refused, again, refused, None, refused)
    assert [line for line in said if "listening" not in line] == [
        "the connection broke (reset); connecting again …",
        "no connection to broker:443 yet: refused",
        "broker:443 refuses: 403 Forbidden; have the credentials expired?",
        "the connection broke (reset); connecting again …",
        "broker:443 refuses: 403 Forbidden; have the credentials expired?",
    ]


def test_credentials_that_cannot_be_renewed_at_present_do_not_end_it(said: list[str]) -> None:
    error = botocore.exceptions.TokenRetrievalError(provider="sso", error_msg="expired")
    assert listen(said, None, error, error, None).interruptions == 2
    assert sum("expired" in line for line in said) == 1


def test_credentials_that_cannot_be_had_at_all_end_it(said: list[str]) -> None:
    error = botocore.exceptions.TokenRetrievalError(provider="sso", error_msg="expired")
    with pytest.raises(botocore.exceptions.TokenRetrievalError):
        listen(said, error, None)
