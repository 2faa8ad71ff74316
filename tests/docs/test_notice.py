"""NOTICE names every package that this repository installs."""

from __future__ import annotations

import re

from tests.stacks.synthesis import ROOT

DEVICE = ROOT / "edge_functions" / "dlr_inference"
LISTS = (*ROOT.glob("requirements*.txt"), *DEVICE.glob("requirements*.txt"))
IN_ONE_PHRASE = ("aws-cdk-asset-", "aws-cdk-cloud-assembly-schema")
"""``aws-cdk-lib with its assets and its cloud-assembly-schema``."""


def test_every_pinned_package_is_named() -> None:
    named = set(re.findall(r"[\w-]+", (ROOT / "NOTICE").read_text(encoding="utf-8").lower()))
    pinned = {
        name.lower()
        for file in LISTS
        for name in re.findall(r"^([\w.-]+)==", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(pinned) > 50
    assert {one for one in pinned - named if not one.startswith(IN_ONE_PHRASE)} == set()
