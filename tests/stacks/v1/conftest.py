"""One template for the tests that only read it."""

from typing import Any

import pytest

from tests.stacks.v1.groups import group_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return group_template(tmp_path_factory.mktemp("group"))
