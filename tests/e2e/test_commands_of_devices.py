"""The commands of the pages that take longest, because devices run there; see ``test_commands``."""

from __future__ import annotations

import pytest

from local_core.run.shared_cloud import SharedCloud
from tests.e2e.checkout import Shell, needs_installed
from tests.e2e.page_commands import OF_DEVICES
from tests.e2e.page_shell import run_commands


@pytest.fixture(scope="module")
def bootstrapped(page_cloud: SharedCloud) -> None:
    """As by README's command, which ``test_commands`` runs."""
    page_cloud.bootstrap()


@needs_installed
@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("name", OF_DEVICES)
def test_commands_of_a_page_work(name: str, page_shell: Shell) -> None:
    run_commands(name, page_shell)
