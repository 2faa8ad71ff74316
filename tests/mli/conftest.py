"""A cloud on this machine, and a core's stack in it, for the commands that set cores up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_core.cloud import LocalCloud
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.support import Commands, DeployedCore


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """A running cloud that all tests share."""
    with LocalCloud() as running:
        yield running


@pytest.fixture
def commands(cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The command line in a folder of its own, with the cloud's environment."""
    monkeypatch.chdir(tmp_path)
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLI_ROOT_CA", str(cloud.ca_path))
    return Commands(tmp_path)


@pytest.fixture
def core(cloud: LocalCloud) -> DeployedCore:
    """A V2 core's stack, deployed, with no certificate yet."""
    return DeployedCore.deployed(cloud, generation=2)


@pytest.fixture
def fleet(cloud: LocalCloud) -> DeployedFleet:
    """A fleet's stack, deployed, with no core yet."""
    return DeployedFleet.deployed(cloud)


@pytest.fixture
def group_core(cloud: LocalCloud) -> DeployedCore:
    """A V1 core's stack, deployed, with no certificate yet."""
    return DeployedCore.deployed(cloud, generation=1)
