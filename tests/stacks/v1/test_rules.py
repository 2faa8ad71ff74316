"""What a context may not say for a V1 core, although a V2 core accepts it."""

import tarfile
from pathlib import Path

import pytest

from tests.stacks.test_context_keys import rule_of, settings


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("modelS3Uri", "s3://my.bucket/model.tar.gz"),
        ("modelS3Uri", "s3://bucket/model.tgz"),
        ("dependencies", "bundled"),
        ("thingGroupName", "shop-floor"),
    ],
)
def test_first_generation_accepts_less(tmp_path: Path, key: str, value: str) -> None:
    settings(tmp_path, **{key: value})
    assert "greengrassVersion" in rule_of(tmp_path, key, greengrassVersion=1, **{key: value})


def test_first_generation_unpacks_zip_files_only(tmp_path: Path) -> None:
    (tmp_path / "compiled.so").write_bytes(b"")
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "compiled.so", "compiled.so")
    local = {"modelS3Uri": None, "modelPath": str(archive)}
    settings(tmp_path, **local)
    rule = rule_of(tmp_path, "modelPath", greengrassVersion=1, **local)
    assert rule == "must be a folder or a .zip file for greengrassVersion=1"
