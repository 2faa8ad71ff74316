"""docs/guide.md, done as a new user would: its commands, in one shell, in their order."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mli.cli.output import Output
from mli.compile.tvm import environment
from tests.conftest import REPOSITORY
from tests.e2e.checkout import Shell, copied, needs_installed
from tests.e2e.checkout import checkout as made_checkout

MOST_COMMANDS = 8
_STEP = re.compile(r"^## (\d)\. (.+?)\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One step of the guide: a command, and the lines that it is said to print."""

    number: int
    command: str
    printed: tuple[str, ...]

    @property
    def is_background(self) -> bool:
        return self.command.endswith("&")


def guide() -> str:
    return (REPOSITORY / "docs" / "guide.md").read_text(encoding="utf-8")


def steps() -> list[Step]:
    found = []
    for number, _title, body in _STEP.findall(guide()):
        fences = _FENCE.findall(body)
        [command] = [text for kind, text in fences if kind == "sh"]
        printed = [line for kind, text in fences if kind == "text" for line in text.splitlines()]
        found.append(Step(int(number), command.rstrip("\n"), tuple(printed)))
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy of this folder in which everything is installed, TVM too."""
    environment.prepared(Output(as_json=False))
    with made_checkout(tmp_path / "checkout") as copy:
        yield copy


def test_chain_is_eight_commands_or_fewer() -> None:
    all_steps = steps()
    assert [step.number for step in all_steps] == list(range(1, len(all_steps) + 1))
    assert 6 <= len(all_steps) <= MOST_COMMANDS
    assert len(re.findall(r"^```sh$", guide(), re.MULTILINE)) == len(all_steps)
    for step in all_steps:
        lines = step.command.split("\n")
        assert all(line.endswith("\\") for line in lines[:-1]), step.command
        assert not re.search(r";|&&|\|", step.command), step.command


@needs_installed
def test_copy_runs_its_own_code(tmp_path: Path) -> None:
    copy = copied(tmp_path / "checkout")
    python = copy / ".venv" / "bin" / "python"
    assert (copy / ".venv" / "bin" / "mli").read_text().startswith(f"#!{python}\n")
    code = "import inference, mli, stacks; print(*(m.__file__ for m in (inference, mli, stacks)))"
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(file.startswith(f"{copy}/") for file in done.stdout.split()), done.stdout


@needs_installed
@pytest.mark.e2e
@pytest.mark.slow
def test_commands_of_the_guide_lead_to_predictions(checkout: Path, tmp_path: Path) -> None:
    with Shell(checkout, tmp_path / "shell.log") as shell:
        for step in steps():
            status, output = shell.run(step.command, until_ready=step.is_background)
            assert status == 0, output
            for line in step.printed:
                assert re.search(_pattern(line), output, re.MULTILINE), (
                    f"{line!r} is not in\n{output}"
                )
        predicted = re.findall(r"^[\d:]{8} Demo +(?!telemetry).+", output, re.MULTILINE)
        assert len(predicted) >= 4, output
        status, output = shell.run("kill %1 %2 && wait")
        assert "the core has stopped" in output
        assert "stopping the local cloud" in output
    assert _processes_in(checkout) == []


def _pattern(line: str) -> str:
    """Return what matches a line of the guide, in which … stands for anything."""
    return "^ *" + ".*".join(map(re.escape, line.strip().split("…"))) + "$"


def _processes_in(folder: Path) -> list[str]:
    """Return the command lines of the processes that work in a folder, once they had time to go."""
    end = time.monotonic() + 10
    while True:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                cwd = (entry / "cwd").readlink()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it has ended, or is not ours
            if cwd.is_relative_to(folder) or str(folder) in command:
                found.append(command)
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.2)
