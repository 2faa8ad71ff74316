"""docs/guide.md, done as a new user would: its commands, unchanged, in one shell, in their order.

The shell works in a copy of this folder. What takes long to install is shared with the copy.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_core.cdk import CLI
from mli.cli.output import Output
from mli.compile.tvm import environment
from tests.conftest import REPOSITORY

MOST_COMMANDS = 8
SECONDS = 200.0
INSTALLED = (".venv", "node_modules")
INSTALLED_MARK = ".installed"
SHARED = ("build/tvm", "build/make")
LEFT_OUT = (
    ".git",
    *INSTALLED,
    "build",
    "cdk.out",
    "certs",
    "fleet",
    "greengrass-setup*",
    ".*_cache",
    "__pycache__",
)
FOREIGN = ("ARGS", "AWS_", "CDK_", "MLI_", "MAKE", "MFLAGS", "PYTEST", "VIRTUAL_ENV")
READY = re.compile(r"^\[[ .\d]+s\] ready", re.MULTILINE)
FAILED = re.compile(r"^make: \*\*\* |^Error: |the deployment: FAIL", re.MULTILINE)
_STEP = re.compile(r"^## (\d)\. (.+?)\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


needs_installed = pytest.mark.skipif(
    not CLI.exists() or Path(sys.prefix) != REPOSITORY / ".venv",
    reason="node_modules and .venv, of which this needs to be a part, are not there: make setup",
)


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


class Shell:
    """A bash whose output, and that of all its jobs, goes to a file as to a terminal."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._log = log
        self._stream = log.open("wb")
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=_new_users_environment(),
            stdin=subprocess.PIPE,
            stdout=self._stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *exception: object) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._stream.close()

    def run(self, command: str, *, until_ready: bool = False) -> tuple[int, str]:
        """Type a command; return its exit status, and what has been printed since.

        With ``until_ready`` that is once something has said that it is ready.
        """
        start = len(self._output())
        mark = f"exit-status-{start}"
        assert self.process.stdin is not None
        self.process.stdin.write(f'{command}\nprintf "\\n{mark} %s\\n" $?\n'.encode())
        self.process.stdin.flush()
        end = time.monotonic() + SECONDS
        while True:
            output = self._output()[start:]
            ended = re.search(rf"^{mark} (\d+)$", output, re.MULTILINE)
            if ended and (not until_ready or READY.search(output)):
                return int(ended[1]), output
            failed = FAILED.search(output)
            assert not failed, output
            assert time.monotonic() < end, f"{command}: not done in time:\n{output}"
            time.sleep(0.1)

    def _output(self) -> str:
        return self._log.read_bytes().decode(errors="replace")


def _new_users_environment() -> dict[str, str]:
    """Return this environment without what a developer's shell, or `make`, has put into it.

    An AWS profile of the user's own is there: it must not lead elsewhere.
    """
    ours = str(REPOSITORY / ".venv" / "bin")
    path = [part for part in os.environ["PATH"].split(os.pathsep) if part != ours]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "PATH": os.pathsep.join(path), "AWS_PROFILE": "of-the-users-own"}


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy of this folder as it was cloned, in which everything is installed."""
    environment.prepared(Output(as_json=False))
    copy = _copied(tmp_path / "checkout")
    (copy / "build").mkdir()
    for name in SHARED:
        (REPOSITORY / name).mkdir(parents=True, exist_ok=True)
        (copy / name).symlink_to(REPOSITORY / name)
    yield copy
    shutil.rmtree(copy, ignore_errors=True)


def _copied(copy: Path) -> Path:
    """Copy this folder's files, and share what is installed in it."""
    shutil.copytree(REPOSITORY, copy, ignore=_ignored, symlinks=True)
    for name in INSTALLED:
        _share_installed(REPOSITORY / name, copy / name)
    _point_to(copy, copy / ".venv")
    return copy


def _point_to(copy: Path, environment: Path) -> None:
    """Let the copy's environment import the copy's code.

    The editable install and the script `mli` hold this folder's path.
    """
    for link in (environment / "bin", environment / "lib"):
        link.unlink()
    shutil.copytree(REPOSITORY / ".venv" / "bin", environment / "bin", symlinks=True)
    packages = Path(sysconfig.get_path("purelib"))
    packages = environment / packages.relative_to(REPOSITORY / ".venv")
    packages.mkdir(parents=True)
    for entry in (REPOSITORY / packages.relative_to(copy)).iterdir():
        (packages / entry.name).symlink_to(entry)
    ours, theirs = str(REPOSITORY), str(copy)
    for file in [environment / "bin" / "mli", *packages.glob("*.pth")]:
        text = file.read_text(encoding="utf-8")
        mode = file.stat().st_mode
        file.unlink()
        file.write_text(text.replace(ours, theirs), encoding="utf-8")
        file.chmod(mode)


def _share_installed(folder: Path, copy: Path) -> None:
    """Make a folder that holds what another one does, and that `make` takes for installed.

    Each entry is a link of its own: what would install anew, deletes links and nothing else.
    """
    copy.mkdir()
    for entry in folder.iterdir():
        if entry.name != INSTALLED_MARK:
            (copy / entry.name).symlink_to(entry)
    (copy / INSTALLED_MARK).touch()


def _ignored(folder: str, names: list[str]) -> set[str]:
    patterns = LEFT_OUT if Path(folder) == REPOSITORY else ("__pycache__",)
    return set(shutil.ignore_patterns(*patterns)(folder, names))


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
    copy = _copied(tmp_path / "checkout")
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
