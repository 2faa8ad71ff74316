"""The workflow and its page: what they name is there, and is what this project runs itself."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.stacks.synthesis import ROOT

WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def prerequisites(target: str) -> list[str]:
    found = re.search(rf"^{target}:([^#\n]*)", MAKEFILE, re.MULTILINE)
    assert found, f"there is no target {target}"
    return found[1].split()


def test_steps_run_targets_that_the_test_of_everything_runs_too() -> None:
    run = [step["run"] for step in STEPS if "run" in step]
    assert run == ["make lint", "make templates", ".ci/run"]
    assert {"lint", "templates"} <= set(prerequisites("test"))
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("exec make test")


def test_workflow_may_read_and_nothing_else() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in WORKFLOW["jobs"].values())


def test_actions_are_github_s_own_and_keep_no_credentials() -> None:
    used = [step for step in STEPS if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in used)
    checkouts = [step for step in used if step["uses"].startswith("actions/checkout")]
    assert len(checkouts) == len(WORKFLOW["jobs"])
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_each_make_target_of_the_documentation_is_there() -> None:
    for page in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"(?:`|    )make ([a-z-]+)", text):
            prerequisites(target)
