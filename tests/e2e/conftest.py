"""One local cloud for all, and one core per generation, which each test finds in the same state."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_core.device.setup import Address
from local_core.device.watcher import Watcher
from local_core.interrupts import Interrupts
from local_core.progress import Progress
from local_core.shared_cloud import Site
from local_core.synthesis import CDK
from tests.e2e.rig import Rig, target


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A cloud that was bootstrapped."""
    if not CDK.exists():
        pytest.skip("the CDK CLI is not installed: npm ci")
    with Site(tmp_path_factory.mktemp("site"), Progress(), Interrupts()) as made:
        made.bootstrap()
        yield made


@pytest.fixture(scope="session")
def watcher(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watcher]:
    """A subscriber with a certificate and a connection of its own."""
    cloud = site.cloud
    with Watcher(
        cloud.client("iot"),
        broker=Address(cloud.mqtt_host, cloud.mqtt_port),
        root_ca=cloud.ca_path,
        folder=tmp_path_factory.mktemp("watcher"),
    ) as made:
        yield made


@pytest.fixture(scope="module")
def module_rig(request: pytest.FixtureRequest, site: Site, watcher: Watcher) -> Iterator[Rig]:
    """A core of the generation that the module names in GENERATION."""
    made = Rig(site, watcher, site.prepare(target(request.module.GENERATION)))
    yield made
    made.stop()


@pytest.fixture
def rig(module_rig: Rig) -> Rig:
    """The module's core, deployed with the user's context and running."""
    module_rig.ensure_running()
    return module_rig
