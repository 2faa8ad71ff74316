"""Runs of small projects in several processes end, also when processes crash."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.scheduling import ByModule

REPOSITORY = Path(__file__).parents[1]
CONFTEST = """
from tests.scheduling import ByModule

def pytest_xdist_make_scheduler(config, log):
    return ByModule(config, log)
"""
QUICK = "import pytest\n@pytest.mark.parametrize('n', range(3))\ndef test_quick(n): pass\n"
CRASH = "import os, time\ndef test_crash():\n    time.sleep(0.3)\n    os._exit(9)\n"
LATER = "def test_later(): pass\n"


def counts(folder: Path, modules: dict[str, str]) -> dict[str, int]:
    """Run the tests of these modules in two processes; return how many passed and failed."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in modules.items():
        (folder / f"test_{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "xdist.plugin", "-n", "2", "-q"]
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(
        command, cwd=folder, env={**environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    summary = done.stdout.splitlines()[-1]
    return {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed)", summary)}


@pytest.mark.parametrize(
    ("modules", "passed"),
    [
        ({**dict.fromkeys("abcd", QUICK), "e": CRASH + LATER}, 13),
        ({"a": CRASH + LATER, "b": LATER, "c": LATER, "d": LATER, "e": QUICK}, 7),
        ({"a": CRASH, "b": CRASH + LATER}, 1),
    ],
)
def test_the_work_of_a_process_that_crashes_is_done_by_another(
    tmp_path: Path, modules: dict[str, str], passed: int
) -> None:
    crashes = sum("exit" in text for text in modules.values())
    assert counts(tmp_path, modules) == {"failed": crashes, "passed": passed}


class Process:
    """Stands in for a process of xdist, and records which tests it was given."""

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="gw")
        self.shutting_down = False
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduled(tests: list[str]) -> tuple[ByModule, Process, Process]:
    """Distribute tests to two processes."""
    option = SimpleNamespace(loadscopereorder=False)
    config: Any = SimpleNamespace(option=option, getvalue=lambda name: ["popen", "popen"])
    scheduler = ByModule(config, None)
    processes = (Process(), Process())
    for process in processes:
        scheduler.add_node(process)
        scheduler.add_node_collection(process, tests)
    scheduler.schedule()
    return scheduler, *processes


def test_a_process_that_still_collects_is_given_work_when_it_has() -> None:
    """Another one may crash meanwhile, or have crashed together with the one that it replaces."""
    tests = ["a.py::one", "a.py::two", "b.py::one", "b.py::two"]
    scheduler, first, second = scheduled(tests)
    third = Process()
    assert (first.given, second.given) == ([0, 1], [2, 3])
    assert scheduler.remove_node(first) == "a.py::one"
    scheduler.add_node(third)
    assert scheduler.remove_node(second) == "b.py::one"
    assert third.given == []
    scheduler.add_node_collection(third, tests)
    scheduler.schedule()
    assert sorted(third.given) == [1, 3]
    assert third.shutting_down is False
    scheduler.mark_test_complete(third, third.given[0])
    assert third.shutting_down is True


def test_modules_of_a_folder_that_share_what_they_load_go_to_one_process() -> None:
    tests = ["tests/stacks/test_a.py::one", "tests/b.py::two", "tests/stacks/v1/test_c.py::three"]
    _, first, second = scheduled(tests)
    assert (first.given, second.given) == ([0, 2], [1])


def test_every_test_of_sound_modules_runs_once(tmp_path: Path) -> None:
    modules = {**{f"a{number}": LATER for number in range(9)}, "b": QUICK}
    assert counts(tmp_path, modules) == {"passed": 12}
