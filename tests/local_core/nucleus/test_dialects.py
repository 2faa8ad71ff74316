"""What each nucleus does with a running component: the classic one, lite 2.6.0 and lite 2.5.1."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from awscrt.exceptions import AwsCrtError
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from local_core.ipc.authorization import PUBSUB
from local_core.nucleus.dialect import CLASSIC, LITE, LITE_2_5_1, Nucleus
from tests.local_core.nucleus.test_lifecycle import is_running
from tests.local_core.nucleus.test_redeployment import RUN_AND_LISTEN, Core, component
from tests.local_core.support import SECONDS
from tests.waiting import eventually

Start = Callable[[Nucleus], Core]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a core with a nucleus; one with the same name goes on where it was."""
    with ExitStack() as opened:

        def make(nucleus: Nucleus) -> Core:
            core = Core(tmp_path / nucleus.name, nucleus)
            opened.enter_context(core.core)
            return core

        yield make


class Client:
    """A component's own connection to its nucleus."""

    def __init__(self, core: Core, name: str) -> None:
        self.token = core.environment(name)
        self.heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.ipc = self.connect()
        self.ipc.subscribe_to_configuration_update(
            key_path=[], on_stream_event=self.heard.put, on_stream_error=lambda error: False
        )

    def connect(self) -> GreengrassCoreIPCClientV2:
        socket = self.token["AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"]
        connection = connect(ipc_socket=socket, authtoken=self.token["SVCUID"], timeout=SECONDS)
        return GreengrassCoreIPCClientV2(client=connection, executor=None)

    def say(self) -> Any:
        return self.ipc.get_configuration(key_path=["say"]).value["say"]

    def close(self) -> None:
        self.ipc.close().exception(SECONDS)


def _listening(core: Core, say: str, **changes: Any) -> Any:
    return component("a", say, run=RUN_AND_LISTEN, **changes)


def test_classic_only_notifies_a_component_of_its_changed_configuration(start: Start) -> None:
    core = start(CLASSIC)
    core.core.deploy([_listening(core, "one")])
    client, pid = Client(core, "a"), core.pid("a")
    assert core.core.deploy([_listening(core, "two", reset=("",))]) == frozenset()
    event = client.heard.get(timeout=SECONDS)
    assert event.configuration_update_event.key_path == ["say"]
    assert client.say() == "two"
    client.close()
    assert (core.pid("a"), is_running(pid)) == (pid, True)


@pytest.mark.parametrize(
    ("change", "installs"),
    [
        ({"version": "2.0.0"}, 2),
        ({"install": "echo >> installed; : another"}, 2),
        ({"run_with": "someone"}, 2),
        ({"setenv": "another"}, 2),  # of the install script too
        ({"run": RUN_AND_LISTEN + " # another"}, 1),
    ],
)
def test_classic_installs_or_restarts_what_changed_in_its_recipe(
    start: Start, change: dict[str, Any], installs: int
) -> None:
    core = start(CLASSIC)
    as_before: dict[str, Any] = {"run": RUN_AND_LISTEN, "install": "echo >> installed"}
    core.core.deploy([component("a", **as_before)])
    pid = core.pid("a")
    assert core.core.deploy([component("a", **{**as_before, **change})]) == {"a"}
    eventually(lambda: core.pid("a") != pid)
    installed = core.root / "work" / "a" / "installed"
    assert len(installed.read_text().splitlines()) == installs


def test_lite_restarts_a_component_at_every_deployment(start: Start) -> None:
    core = start(LITE)
    core.core.deploy([_listening(core, "one")])
    pid = core.pid("a")
    assert core.core.deploy([_listening(core, "one")]) == {"a"}
    eventually(lambda: core.pid("a") != pid)


def test_lite_2_5_1_does_not_restart_and_notifies_without_a_reset_only(start: Start) -> None:
    core = start(LITE_2_5_1)
    core.core.deploy([_listening(core, "one")])
    client, pid = Client(core, "a"), core.pid("a")
    assert core.core.deploy([_listening(core, "two")]) == frozenset()
    client.heard.get(timeout=SECONDS)
    assert core.core.deploy([_listening(core, "three", reset=("",))]) == frozenset()
    assert core.core.deploy([_listening(core, "four")]) == frozenset()
    assert client.say() == "four"
    assert client.heard.empty()
    client.close()
    assert core.pid("a") == pid


@pytest.mark.parametrize("nucleus", [CLASSIC, LITE])
def test_component_of_lite_runs_beside_its_install_step_when_the_core_starts(
    start: Start, nucleus: Nucleus
) -> None:
    core = start(nucleus)
    install = "sleep 1; echo installed >> steps"
    run = "echo run >> steps; exec sleep 60"
    core.core.deploy([component("a", install=install, run=run)], is_launch=True)
    steps = core.root / "work" / "a" / "steps"
    wanted = ["run", "installed"] if nucleus is LITE else ["installed", "run"]
    eventually(lambda: steps.exists() and steps.read_text().split() == wanted)


def test_token_is_refused_once_the_ipc_daemon_of_lite_was_restarted(start: Start) -> None:
    core = start(LITE)
    core.core.deploy([_listening(core, "one")])
    client = Client(core, "a")
    core.core.restart_ipc()
    client.close()
    with pytest.raises(AwsCrtError, match="SOCKET_CLOSED"):
        client.connect()
    pid = core.pid("a")
    core.core.deploy([_listening(core, "one")])
    eventually(lambda: core.pid("a") != pid)
    again = Client(core, "a")
    assert again.say() == "one"
    again.close()


def test_token_is_good_after_a_restart_of_the_classic_nucleus_s_ipc(start: Start) -> None:
    core = start(CLASSIC)
    core.core.deploy([_listening(core, "one")])
    client = Client(core, "a")
    core.core.restart_ipc()
    client.close()
    again = Client(core, "a")
    assert again.say() == "one"
    again.close()


@pytest.mark.parametrize(("nucleus", "is_allowed"), [(CLASSIC, True), (LITE, False)])
def test_name_of_the_thing_in_access_control_is_for_the_classic_nucleus(
    start: Start, nucleus: Nucleus, is_allowed: bool
) -> None:
    core = start(nucleus)
    policy = {"operations": ["*"], "resources": ["out/{iot:thingName}"]}
    control = {"accessControl": {PUBSUB: {"all": policy}}}
    core.core.deploy([replace(_listening(core, "one"), merge=control)])
    client = Client(core, "a")
    message = model.PublishMessage(binary_message=model.BinaryMessage(message=b""))
    with nullcontext() if is_allowed else pytest.raises(model.UnauthorizedError):
        client.ipc.publish_to_topic(topic="out/thing", publish_message=message)
    client.close()
