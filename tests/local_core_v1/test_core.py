"""A core that runs a whole group: its model, and its functions from start to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from inference.schema import ConfigurationError
from local_core.nucleus.artifacts import ArtifactError
from local_core.v1.group import GroupDocuments, GroupError
from local_core.v1.resources import ResourceError
from tests.local_core_v1.support import (
    CONNECTOR,
    FUNCTION,
    IDLE,
    SAYS,
    TALK,
    World,
    archive,
    connector_entry,
    function_entry,
    group,
    resource_entry,
)
from tests.waiting import eventually


def test_model_is_where_the_function_looks_for_it(world: World) -> None:
    world.models["s3://bucket/model.tar.gz"] = archive(labels=b"cat")
    world.code[FUNCTION] = TALK + (
        "path = os.environ['AWS_GG_RESOURCE_PREFIX'] + '/model/labels'\n"
        "say(labels=open(path).read())\n" + IDLE
    )
    entry = function_entry(FUNCTION, ResourceAccessPolicies=[{"ResourceId": "model"}])
    with world.core(group([entry], [SAYS], resources=[resource_entry()])):
        assert world.said() == {"labels": "cat"}


def test_function_that_ends_is_started_again(world: World) -> None:
    world.code[FUNCTION] = TALK + "say(pid=os.getpid())\nprint('going')\nsys.exit(3)\n"
    with world.core(group([function_entry(FUNCTION)], [SAYS])) as core:
        first, second, third = (world.said()["pid"] for _ in range(3))
        output = core.log_of(FUNCTION)
    assert len({first, second, third}) == 3
    log = world.system_log("runtime")
    assert "ended with exit code 3; restarting in 0.05 s" in log
    assert "ended with exit code 3; restarting in 0.1 s" in log
    assert output == world.root / "ggc/var/log/user/eu-west-1/123456789012/Inference.log"
    assert output.read_text().count("going") >= 2


def test_killed_function_gets_what_came_meanwhile(world: World) -> None:
    world.code[FUNCTION] = TALK + (
        "say(pid=os.getpid())\ndef function_handler(event, context):\n    say(event=event)\n"
    )
    ways = [SAYS, ("cloud", "cmd", FUNCTION)]
    with world.core(group([function_entry(FUNCTION)], ways), pause=0.5) as core:
        os.kill(int(str(world.said()["pid"])), signal.SIGKILL)
        eventually(lambda: "restarting" in world.system_log("runtime"))
        core.from_cloud("cmd", b"1")
        assert "pid" in world.said()
        assert world.said() == {"event": 1}


def test_stop_gives_a_function_time_to_end_in_order(world: World) -> None:
    world.code[FUNCTION] = TALK + (
        "import signal, time\n"
        "def stop(number, frame):\n    say(bye=number)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\nsay(ready=1)\nwhile True: time.sleep(0.05)\n"
    )
    with world.core(group([function_entry(FUNCTION)], [SAYS])):
        assert world.said() == {"ready": 1}
    assert world.said() == {"bye": signal.SIGTERM}


def test_stop_kills_a_function_that_ignores_it_and_its_children(world: World) -> None:
    world.code[FUNCTION] = TALK + (
        "import signal, subprocess, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "say(pids=[os.getpid(), child.pid])\nwhile True: time.sleep(0.05)\n"
    )
    with world.core(group([function_entry(FUNCTION)], [SAYS])):
        pids = world.said()["pids"]
    assert isinstance(pids, list)
    running = subprocess.run(
        ["ps", "-o", "stat=", "-p", ",".join(map(str, pids))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not [state for state in running.stdout.split() if not state.startswith("Z")]


ORPHAN = """
import os, signal, sys
from pathlib import Path
from tests.local_core_v1.support import *
world = World(Path(sys.argv[1]))
world.code[FUNCTION] = TALK + "say(pid=os.getpid())\\nimport time\\ntime.sleep(60)\\n"
with world.core(group([function_entry(FUNCTION)], [SAYS])):
    print(world.said()['pid'], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_function_ends_with_a_core_that_was_killed(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(tmp_path / "core")],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    function = Path("/proc") / killed.stdout.strip() / "cmdline"
    eventually(lambda: not function.exists() or not function.read_bytes())


BAD_GROUPS: list[tuple[GroupDocuments, type[Exception], str]] = [
    (
        group([function_entry(FUNCTION)], resources=[resource_entry()]),
        ResourceError,
        "there is no such object",
    ),
    (
        group([], connectors=[connector_entry({"LC50": {"content-type": "a/b"}})]),
        ConfigurationError,
        "s3-bucket-name",
    ),
    (
        group([], connectors=[{"Id": "1", "ConnectorArn": CONNECTOR.replace("MLF", "F")}]),
        GroupError,
        "only MLFeedback",
    ),
    (
        group([], connectors=[{"Id": "1", "ConnectorArn": "arn:aws:x"}]),
        GroupError,
        "not the ARN of a connector",
    ),
]


@pytest.mark.parametrize(("documents", "error", "reason"), BAD_GROUPS)
def test_group_that_cannot_run_starts_nothing(
    world: World, documents: GroupDocuments, error: type[Exception], reason: str
) -> None:
    world.code[FUNCTION] = IDLE
    with pytest.raises(error, match=reason), world.core(documents):
        pass
    assert not (world.root / "ggc/var/log/user/eu-west-1/123456789012").exists()


def test_handler_that_the_code_does_not_have_is_reported(world: World) -> None:
    world.code[FUNCTION] = IDLE
    entry = function_entry(FUNCTION)
    entry["FunctionConfiguration"]["Executable"] = "absent.main"
    with (
        pytest.raises(ArtifactError, match=r"no module for absent\.main"),
        world.core(group([entry])),
    ):
        pass
