from __future__ import annotations

from typing import Any

import pytest

from local_core.nucleus.recipe import Artifact, LifecycleStep, Recipe, RecipeError

DEVICE = {"os": "linux", "architecture": "amd64"}


def recipe(*manifests: dict[str, Any], **fields: Any) -> Recipe:
    return Recipe.parse(
        {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": "com.A",
            "ComponentVersion": "1.0.0",
            "Manifests": list(manifests),
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("platform", "suits"),
    [
        ({}, True),
        ({"os": "linux", "runtime": "*"}, True),
        ({"os": "windows"}, False),
        ({"os": "*", "architecture": "amd64"}, True),
        ({"os": "linux", "architecture": "aarch64"}, False),
        ({"os": "linux", "architecture": "/amd64|aarch64/"}, True),
        ({"os": "linux", "architecture": "/arm.*/"}, False),
        ({"os": "linux", "runtime": "aws_nucleus_lite"}, False),
    ],
)
def test_platform(platform: dict[str, str], suits: bool) -> None:
    assert recipe({"Platform": platform}).manifests[0].suits(DEVICE) is suits


@pytest.mark.parametrize(
    ("platform", "suits"),
    [
        ({"os": "linux", "runtime": "*"}, True),
        ({"os": "*", "runtime": "aws_nucleus_lite", "architecture": "amd64"}, True),
        ({}, False),
        ({"os": "linux"}, False),
        ({"runtime": "*"}, False),
        ({"os": "linux", "runtime": "*", "architecture": "/amd64|aarch64/"}, False),
    ],
)
def test_platform_on_nucleus_lite(platform: dict[str, str], suits: bool) -> None:
    device = {**DEVICE, "runtime": "aws_nucleus_lite"}
    assert recipe({"Platform": platform}).manifests[0].suits(device) is suits


def test_first_suitable_manifest_wins() -> None:
    manifests = [
        {"Platform": {"os": "windows"}, "Lifecycle": {"run": "windows"}},
        {"Platform": {"os": "linux"}, "Lifecycle": {"run": "linux"}},
        {"Lifecycle": {"run": "any"}},
    ]
    chosen = recipe(*manifests).manifest_for(DEVICE)
    assert chosen.run == LifecycleStep("linux")


def test_no_suitable_manifest_is_an_error() -> None:
    with pytest.raises(RecipeError, match=r"com.A 1.0.0 has no manifest for .*linux"):
        recipe({"Platform": {"os": "windows"}}).manifest_for(DEVICE)


def test_both_forms_of_a_lifecycle_step() -> None:
    lifecycle = {
        "Setenv": {"COMMON": "1"},
        "install": {"Script": "make", "Timeout": 1800, "Setenv": {"OWN": "2"}},
        "run": "start",
    }
    manifest = recipe({"Lifecycle": lifecycle}).manifests[0]
    assert manifest.install == LifecycleStep("make", 1800, {"COMMON": "1", "OWN": "2"})
    assert manifest.run == LifecycleStep("start", None, {"COMMON": "1"})


def test_number_in_the_environment_is_refused() -> None:
    """Nucleus lite would not run the script."""
    with pytest.raises(RecipeError, match="Setenv of THREADS must be a string, not 2"):
        recipe({"Lifecycle": {"Setenv": {"THREADS": 2}, "run": "start"}})


def test_install_has_a_timeout_of_two_minutes_by_default_and_run_has_none() -> None:
    manifest = recipe({"Lifecycle": {"install": "a", "run": "b"}}).manifests[0]
    assert manifest.install is not None
    assert manifest.run is not None
    assert (manifest.install.timeout, manifest.run.timeout) == (120, None)


def test_artifacts() -> None:
    artifacts = [
        {"Uri": "s3://bucket/code.zip", "Unarchive": "ZIP"},
        {"Uri": "s3://bucket/tool", "Permission": {"Execute": "OWNER"}},
    ]
    assert recipe({"Artifacts": artifacts}).manifests[0].artifacts == (
        Artifact("s3://bucket/code.zip", unarchive=True),
        Artifact("s3://bucket/tool", executable=True),
    )


def test_tar_is_not_unarchived_by_a_nucleus() -> None:
    with pytest.raises(RecipeError, match="Unarchive is NONE or ZIP, not TAR"):
        recipe({"Artifacts": [{"Uri": "s3://b/k.tar.gz", "Unarchive": "TAR"}]})


def test_missing_part_is_named() -> None:
    with pytest.raises(RecipeError, match="ComponentName"):
        Recipe.parse({"RecipeFormatVersion": "2020-01-25"})
    with pytest.raises(RecipeError, match="2020-01-25"):
        Recipe.parse({"RecipeFormatVersion": "1999-01-01"})
