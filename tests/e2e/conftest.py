"""One local cloud for all, and one core per generation, which each test finds in the same state."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_core.device.setup import Address
from local_core.device.watcher import Watcher
from local_core.nucleus.dialect import CLASSIC
from local_core.output.progress import Progress
from local_core.processes.cdk import CLI
from local_core.processes.interrupts import Interrupts
from local_core.run.shared_cloud import SharedCloud
from tests.e2e.page_shell import (  # noqa: F401 - fixtures
    bootstrapped,
    page_cloud,
    page_copy,
    page_shell,
)
from tests.e2e.rig import Rig, target


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedCloud]:
    """A cloud that was bootstrapped."""
    if not CLI.exists():
        pytest.skip("the CDK CLI is not installed: npm ci")
    with SharedCloud(tmp_path_factory.mktemp("cloud"), Progress(), Interrupts()) as made:
        made.bootstrap()
        yield made


@pytest.fixture(scope="session")
def watcher(shared: SharedCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watcher]:
    """A subscriber with a certificate and a connection of its own."""
    cloud = shared.cloud
    with Watcher(
        cloud.client("iot"),
        broker=Address(cloud.mqtt_host, cloud.mqtt_port),
        root_ca=cloud.ca_path,
        folder=tmp_path_factory.mktemp("watcher"),
    ) as made:
        yield made


@pytest.fixture(scope="module")
def module_rig(
    request: pytest.FixtureRequest, shared: SharedCloud, watcher: Watcher
) -> Iterator[Rig]:
    """A core of the generation that the module names in GENERATION.

    CORE, NUCLEUS, INSTALLED and BY_CLI, if the module has them, are its name, its nucleus, whether
    its packages are there, and whether the CLI makes the first deployment.
    """
    module = request.module
    prepared = shared.prepare(target(module.GENERATION, getattr(module, "CORE", "")))
    made = Rig(
        shared,
        watcher,
        prepared,
        getattr(module, "NUCLEUS", CLASSIC),
        installed=getattr(module, "INSTALLED", False),
        by_cli=getattr(module, "BY_CLI", True),
    )
    yield made
    made.stop()


@pytest.fixture
def rig(module_rig: Rig) -> Rig:
    """The module's core, deployed with the user's context and running."""
    module_rig.ensure_running()
    return module_rig
