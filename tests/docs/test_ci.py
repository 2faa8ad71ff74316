"""The workflow and its page: what they name is there, and is what this project runs itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stacks.synthesis import ROOT

WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def prerequisites(target: str) -> list[str]:
    """Return what `make target` makes: what the target needs, and what its commands name."""
    found = re.search(rf"^{target}:([^#\n]*).*\n((\t@\$\(MAKE\) .*\n)*)", MAKEFILE, re.MULTILINE)
    assert found, f"there is no target {target}"
    return [*found[1].split(), *found[2].split()]


def test_steps_run_targets_that_the_test_of_everything_runs_too() -> None:
    run = [step["run"] for step in STEPS if "run" in step]
    assert [command for command in run if not command.startswith("apt-get ")] == [
        *("make lint", "make templates", ".ci/run", "make screenshots"),
        *("make debian-packages", "make device-tests DEVICE_PYTHON=python3.8"),
        "make arm",
    ]
    assert {"lint", "templates"} <= set(prerequisites("test"))
    script = (ROOT / ".ci" / "run").read_text()
    assert "make debian-packages" in script
    assert script.endswith("\nexec make test\n")


def test_workflow_may_read_and_nothing_else() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in WORKFLOW["jobs"].values())


def test_actions_are_github_s_own_and_keep_no_credentials() -> None:
    used = [step for step in STEPS if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"]) for step in used)
    checkouts = [step for step in used if step["uses"].startswith("actions/checkout")]
    assert len(checkouts) == len(WORKFLOW["jobs"])
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_each_make_target_of_the_documentation_is_there() -> None:
    for page in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"(?:`|    )make ([a-z-]+)", text):
            prerequisites(target)


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("false", 0)])
def test_skipped_test_of_streams_is_an_error_in_ci_only(
    ci: str, status: int, tmp_path: Path
) -> None:
    module = "tests/inference/sources/test_gstreamer.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", module, "-k", "says_why"],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path), "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert ("5 errors" if status else "5 skipped") in done.stdout
    assert ("an error where CI=true" in done.stdout) is (ci == "true")


def test_device_tests_without_python_38_are_skipped_with_a_reason(tmp_path: Path) -> None:
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    found = run_device_tests(PATH=str(tmp_path), PYENV_ROOT="/nowhere", DEVICE_PYTHON="")
    assert found.returncode == 0
    assert "skipped: there is no Python 3.8" in found.stderr


def test_device_tests_of_a_named_python_fail_without_it() -> None:
    found = run_device_tests(DEVICE_PYTHON="/nowhere/python3.8")
    assert found.returncode == 1
    assert "DEVICE_PYTHON=/nowhere/python3.8 is not" in found.stderr


def run_device_tests(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", ROOT / ".ci" / "device-tests", "--version"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
