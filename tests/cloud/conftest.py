"""One local cloud for all tests that do not stop it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_core.cloud import LocalCloud
from tests.cloud.roles import Role
from tests.cloud.support import Device, Stacks

Clients = Callable[[str], Any]


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """A running cloud that all tests share."""
    with LocalCloud() as running:
        yield running


@pytest.fixture(scope="session")
def stacks(cloud: LocalCloud) -> Stacks:
    """CloudFormation of the shared cloud."""
    return Stacks(cloud)


@pytest.fixture
def stack(stacks: Stacks) -> Iterator[str]:
    """A stack name of the test's own; what is left of the stack is deleted."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    stacks.delete(name)


@pytest.fixture
def device(cloud: LocalCloud) -> Device:
    """A thing with an active certificate and no policy."""
    return Device.registered(cloud)


@pytest.fixture(scope="session")
def artifact(cloud: LocalCloud) -> str:
    """The URI of an object that a component may have as artifact."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="code/code.zip", Body=b"the code")
    return "s3://artifacts/code/code.zip"


@pytest.fixture
def name() -> str:
    """A component name of the test's own."""
    return f"test.{uuid.uuid4().hex[:8]}"


@pytest.fixture
def role(cloud: LocalCloud) -> Role:
    """A role that may do nothing yet."""
    return Role(cloud)
