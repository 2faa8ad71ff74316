"""What several test modules share."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import botocore.hooks
import botocore.session
import botocore.useragent
import pytest
from hypothesis import HealthCheck, settings

from tests.browser import chromium, page, playwright, window  # noqa: F401 - fixtures
from tests.scheduling import TOGETHER, ByModule

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

# Each command makes sessions and clients, each of which would load the service models, rename
# events and look at the signatures of handlers again; each request has a user agent of 30 parts.
_remembered = functools.lru_cache(maxsize=None)  # Python 3.8 has no functools.cache
botocore.session.create_loader = _remembered(botocore.session.create_loader)
botocore.hooks.EventAliaser._alias_event_name = staticmethod(
    botocore.hooks.EventAliaser(None)._alias_event_name
)
_accepts_kwargs = _remembered(botocore.hooks.accepts_kwargs)
botocore.hooks.accepts_kwargs = lambda call: _accepts_kwargs(getattr(call, "__func__", call))
botocore.useragent.sanitize_user_agent_string_component = _remembered(
    botocore.useragent.sanitize_user_agent_string_component
)

gc.disable()  # until the tests are collected

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The folder with the four sample photographs."""
    return REPOSITORY / "edge_functions" / "dlr_inference" / "sample_images"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByModule:
    return ByModule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes one process longest, whole deployments first.

    Of several processes none then ends long after the others.
    """
    ranks: dict[Path, int] = {}
    for item in items:
        rank = sum(item.get_closest_marker(name) is not None for name in ("slow", "e2e"))
        rank = rank or item.nodeid.startswith(TOGETHER)
        ranks[item.path] = max(rank, ranks.get(item.path, 0))
    items.sort(key=lambda item: -ranks[item.path])


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what lives till the end: modules and collected tests."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
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
