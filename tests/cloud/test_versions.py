"""The ranges of component versions."""

from __future__ import annotations

import pytest

from local_core.cloud.v2.versions import RangeError, satisfies


@pytest.mark.parametrize(
    ("version", "requirement", "is_within"),
    [
        ("1.2.3", "1.2.3", True),
        ("1.2.3", "=1.2.3", True),
        ("1.2.3", "1.2.4", False),
        ("1.9.0", "^1.2.3", True),
        ("2.0.0", "^1.2.3", False),
        ("0.2.9", "^0.2.3", True),
        ("0.3.0", "^0.2.3", False),
        ("1.2.9", "~1.2.3", True),
        ("1.3.0", "~1.2.3", False),
        ("2.0.3", ">=2.0.0 <3.0.0", True),
        ("3.0.0", ">=2.0.0 <3.0.0", False),
        ("1.5.0", "1.0.0 - 2.0.0", True),
        ("2.0.1", "1.0.0 - 2.0.0", False),
        ("1.7.0", "1.x", True),
        ("9.9.9", "*", True),
        ("9.9.9", "", True),
        ("3.1.0", "1.x || >=3.0.0", True),
        ("1.10.0", ">1.9.0", True),
    ],
)
def test_version_requirements_are_ranges_of_npm(
    version: str, requirement: str, is_within: bool
) -> None:
    assert satisfies(version, requirement) is is_within


def test_version_requirement_of_no_form_is_an_error() -> None:
    with pytest.raises(RangeError, match="not a version requirement"):
        satisfies("1.0.0", ">=1.0.0, or so")
