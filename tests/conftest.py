"""What several test modules share."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tests.browser import chromium, page, playwright  # noqa: F401 - fixtures

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

# Each command makes a session, and each session would load botocore's service models again.
_remembered = functools.lru_cache(maxsize=None)  # Python 3.8 has no functools.cache
botocore.session.create_loader = _remembered(botocore.session.create_loader)

gc.disable()  # until the tests are collected

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The folder with the four sample photographs."""
    return REPOSITORY / "edge_functions" / "dlr_inference" / "sample_images"


class _ByModule(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """Gives a process one module after another, and few of them whole deployments at a time.

    Those wait for most of their time. If all processes waited, the processors would have no work.
    """

    def _assign_work_unit(self, node: Any) -> None:
        deploying = sum(map(_deploys, self.assigned_work.values()))
        wanted = deploying < _DEPLOYING
        for module in self.workqueue:
            if module.startswith(_DEPLOYMENTS) == wanted:
                self.workqueue.move_to_end(module, last=False)
                break
        super()._assign_work_unit(node)


_DEPLOYMENTS = "tests/e2e/"
_DEPLOYING = 3


def _deploys(work: Mapping[str, Mapping[str, bool]]) -> bool:
    """Return if a process has tests of whole deployments before it: by module, which are done."""
    return any(
        not all(tests.values()) for name, tests in work.items() if name.startswith(_DEPLOYMENTS)
    )


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByModule:
    return _ByModule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take longest, whole deployments first.

    Of several processes none then ends long after the others.
    """
    ranks: dict[Path, int] = {}
    for item in items:
        rank = sum(item.get_closest_marker(name) is not None for name in ("slow", "e2e"))
        ranks[item.path] = max(rank, ranks.get(item.path, 0))
    items.sort(key=lambda item: -ranks[item.path])


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what lives till the end: modules and collected tests."""
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test of streams that is skipped fail where CI=true: there its packages are a must."""
    report = yield
    is_skipped = report.skipped and not hasattr(report, "wasxfail")
    if is_skipped and item.get_closest_marker("streams") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which is an error where CI=true: {report.longreprtext}"
    return report
