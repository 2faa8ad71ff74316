"""One core, several deployments: what changed is restarted, and a bad one is rolled back."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_core.nucleus.artifacts import ArtifactError
from local_core.nucleus.core import LocalCore
from local_core.nucleus.deployment import ComponentDeployment
from local_core.nucleus.dialect import CLASSIC, Nucleus
from local_core.nucleus.identity import CoreIdentity
from local_core.nucleus.lifecycle import State, StateChange
from local_core.nucleus.recipe import Recipe, RecipeError
from local_core.nucleus.start_order import start_order
from tests.local_core.nucleus.test_lifecycle import is_running
from tests.local_core.support import SECONDS, InMemoryCloud
from tests.waiting import eventually

RUN_AND_LISTEN = "env > new; mv new environment; echo $$ > pid; exec sleep 60"
"""A component of which the test reads the configuration, with its token."""
RUN = "echo $$ > pid; echo {configuration:/say} >> said; exec sleep 60"


class Core:
    """A core under test, with what its components went through."""

    def __init__(self, root: Path, nucleus: Nucleus = CLASSIC) -> None:
        self.root = root
        self.events: queue.SimpleQueue[StateChange] = queue.SimpleQueue()
        self.core = LocalCore(
            CoreIdentity("thing", root, nucleus=nucleus),
            fetcher=self,
            cloud=InMemoryCloud(),
            on_change=self.events.put,
            environment_of=lambda recipe: {"BESIDES": recipe.name},
            stop_grace=0.3,
        )

    def fetch(self, uri: str, destination: Path) -> bool:
        raise ArtifactError(f"{uri} is not there")

    def until(self, component: str, state: State) -> StateChange:
        while True:
            change = self.events.get(timeout=SECONDS)
            if (change.component, change.state) == (component, state):
                return change

    def pid(self, component: str) -> int:
        file = self.root / "work" / component / "pid"
        return int(eventually(lambda: file.exists() and file.read_text().strip()))

    def environment(self, component: str) -> dict[str, str]:
        """What the component of RUN_AND_LISTEN has in its environment, once it runs."""
        file = self.root / "work" / component / "environment"
        eventually(file.exists)
        lines = file.read_text().splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    def said(self, component: str) -> list[str]:
        file = self.root / "work" / component / "said"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    made = Core(tmp_path / "core")
    with made.core:
        yield made


def component(
    name: str,
    say: str | None = None,
    *,
    version: str = "1.0.0",
    run: str = RUN,
    install: str = "",
    needs: tuple[str, ...] = (),
    reset: tuple[str, ...] = (),
    artifact: str = "",
    run_with: str = "",
    setenv: str = "",
) -> ComponentDeployment:
    document: dict[str, Any] = {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentVersion": version,
        "ComponentConfiguration": {"DefaultConfiguration": {"say": "default"}},
        "ComponentDependencies": {
            one: {"VersionRequirement": "^1.0.0", "DependencyType": "HARD"} for one in needs
        },
        "Manifests": [
            {
                "Platform": {"os": "linux", "runtime": "*"},
                "Lifecycle": {
                    "run": run,
                    "Setenv": {"WORD": setenv},
                    **({"install": install} if install else {}),
                },
                "Artifacts": [{"Uri": artifact}] if artifact else [],
            }
        ],
    }
    merge = {} if say is None else {"say": say}
    user = {"posixUser": run_with} if run_with else {}
    return ComponentDeployment(Recipe.parse(document), reset, merge, user)


def test_only_what_changed_is_restarted(core: Core) -> None:
    core.core.deploy([component("a", "one"), component("b", "one")])
    a, b = core.pid("a"), core.pid("b")
    eventually(lambda: core.said("b") == ["one"])
    assert core.core.deploy([component("a", "one"), component("b", "two")]) == {"b"}
    eventually(lambda: core.said("b") == ["one", "two"])
    assert core.pid("a") == a
    assert is_running(a)
    assert not is_running(b)


def test_component_that_is_not_deployed_any_more_is_stopped(core: Core) -> None:
    core.core.deploy([component("a", "one"), component("b", "one")])
    b = core.pid("b")
    assert core.core.deploy([component("a", "one")]) == frozenset()
    assert not is_running(b)


def test_configuration_is_kept_unless_it_is_reset(core: Core) -> None:
    core.core.deploy([component("a", "one")])
    eventually(lambda: core.said("a") == ["one"])
    core.core.deploy([component("a", version="2.0.0")])
    eventually(lambda: core.said("a") == ["one", "one"])
    core.core.deploy([component("a", version="3.0.0", reset=("",))])
    eventually(lambda: core.said("a") == ["one", "one", "default"])


def test_roll_back_restores_version_and_configuration(core: Core) -> None:
    core.core.deploy([component("a", "one")])
    core.core.keep()
    first = core.pid("a")
    eventually(lambda: core.said("a") == ["one"])
    core.core.deploy([component("a", "two", version="2.0.0", run="exit 1"), component("b", "new")])
    core.until("a", State.BROKEN)
    new = core.pid("b")
    assert core.core.roll_back() == {"a"}
    eventually(lambda: core.said("a") == ["one", "one"])
    assert not is_running(first)
    assert not is_running(new)


def test_roll_back_goes_to_what_was_last_kept(core: Core) -> None:
    core.core.deploy([component("a", "kept")])
    core.core.keep()
    core.core.deploy([component("a", "half")])
    core.core.deploy([component("a", "other", run="exit 1")])
    core.until("a", State.BROKEN)
    core.core.roll_back()
    eventually(lambda: core.said("a")[-1:] == ["kept"])


def test_deployment_that_cannot_be_prepared_changes_nothing(core: Core) -> None:
    core.core.deploy([component("a", "one")])
    a = core.pid("a")
    for bad in (
        component("a", "two", artifact="s3://bucket/gone"),
        component("a", "two", run="echo {unknown:thing}"),
    ):
        with pytest.raises((ArtifactError, RecipeError)):
            core.core.deploy([bad])
    assert is_running(a)
    assert core.pid("a") == a


def test_broken_component_starts_when_it_is_deployed_again(core: Core) -> None:
    bad = component("a", run="exit 1")
    core.core.deploy([bad])
    core.until("a", State.BROKEN)
    assert core.core.deploy([bad]) == {"a"}


def test_component_waits_for_the_one_that_it_depends_on(core: Core) -> None:
    slow = component("z", run="sleep 0.3; echo up > up; exec sleep 60")
    needy = component("a", needs=("z",), run="test -e ../z/pid; exec sleep 60")
    core.core.deploy([needy, slow])
    changes = [core.events.get(timeout=SECONDS) for _ in range(2)]
    assert [change.component for change in changes] == ["z", "a"]


def test_component_whose_dependency_is_broken_can_be_stopped(core: Core) -> None:
    core.core.deploy([component("a", needs=("z",)), component("z", run="exit 1")])
    core.until("z", State.BROKEN)
    core.core.deploy([])
    core.until("a", State.STOPPED)


def test_components_own_variables_are_in_the_environment(core: Core) -> None:
    core.core.deploy([component("a", run="echo $BESIDES $AWS_IOT_THING_NAME > said; sleep 60")])
    eventually(lambda: core.said("a") == ["a", "thing"])


def test_start_order_puts_dependencies_first() -> None:
    order = start_order({"a": ["c", "elsewhere"], "b": [], "c": ["b"]})
    assert order.index("b") < order.index("c") < order.index("a")


def test_components_that_depend_on_each_other_are_refused() -> None:
    with pytest.raises(RecipeError, match="depend on each other: "):
        start_order({"a": ["b"], "b": ["a"]})


_OWNER = """
import os, sys, time
from pathlib import Path
from local_core.nucleus.socket_folder import socket_folder
from local_core.processes.process_group import ProcessGroup
folder = Path(sys.argv[1])
held = socket_folder()
(folder / "held").write_text(str(held.__enter__()))
group = ProcessGroup(["/bin/sh", "-c", "sleep 600 & echo $$ $! > pid; wait"], folder=folder,
                     environment=dict(os.environ), log=folder / "log")
(folder / "guarded").touch()
time.sleep(600)
"""


def test_components_end_when_their_core_is_killed(tmp_path: Path) -> None:
    repository = Path(__file__).parents[3]
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, str(tmp_path)], cwd=repository)
    file = tmp_path / "pid"
    eventually((tmp_path / "guarded").exists)
    pids = eventually(lambda: file.read_text().split() if file.exists() else [])
    shell, child = map(int, pids)
    assert is_running(shell)
    assert is_running(child)
    sockets = Path((tmp_path / "held").read_text())
    assert sockets.is_dir()
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    eventually(lambda: not is_running(shell))
    eventually(lambda: not is_running(child))
    eventually(lambda: not sockets.exists())
