"""Models come whole, to their destination path, or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from local_core.v1.group import ModelResource
from local_core.v1.resources import ResourceError, materialise
from tests.local_core_v1.support import archive

MODEL = ModelResource("m", "DlrModel", "s3://bucket/model.tar.gz", "/ml/model")


class Bucket:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def __call__(self, uri: str, destination: Path) -> None:
        if uri != MODEL.source:
            raise OSError("Not Found")
        destination.write_bytes(self.content)


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_model_is_unpacked_at_its_destination(tmp_path: Path) -> None:
    folder = materialise(MODEL, Bucket(archive(model__so=b"1", top=b"2")), tmp_path)
    assert folder == tmp_path / "ml" / "model"
    assert files_below(tmp_path) == {"ml/model/model/so": b"1", "ml/model/top": b"2"}


def test_new_model_replaces_the_old_one_whole(tmp_path: Path) -> None:
    materialise(MODEL, Bucket(archive(old=b"1", same=b"1")), tmp_path)
    folder = materialise(MODEL, Bucket(archive(new=b"2", same=b"2")), tmp_path)
    assert files_below(folder) == {"new": b"2", "same": b"2"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no archive", "is neither a folder, nor a tar.gz, nor a zip archive"),
        (archive(a=b"x" * 100_000)[:-40], "cannot be unpacked"),
        (archive(**{"..__x": b"1"}), "outside its folder"),
    ],
    ids=["no archive", "truncated", "outside"],
)
def test_bad_archive_leaves_the_old_model_in_place(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    folder = materialise(MODEL, Bucket(archive(old=b"1")), tmp_path)
    with pytest.raises(ResourceError, match=f"DlrModel, {MODEL.source}: .*{reason}"):
        materialise(MODEL, Bucket(content), tmp_path)
    assert files_below(tmp_path) == {"ml/model/old": b"1"}
    assert folder.is_dir()


def test_object_that_is_not_there_is_reported(tmp_path: Path) -> None:
    other = ModelResource("m", "DlrModel", "s3://bucket/other.zip", "/model")
    with pytest.raises(ResourceError, match=r"s3://bucket/other.zip: Not Found"):
        materialise(other, Bucket(b""), tmp_path)
    assert not files_below(tmp_path)


@pytest.mark.parametrize(("writable", "mode"), [(False, 0o444), (True, 0o644)])
def test_owner_setting_decides_who_may_write(tmp_path: Path, writable: bool, mode: int) -> None:
    resource = ModelResource("m", "DlrModel", MODEL.source, "/model", writable)
    folder = materialise(resource, Bucket(archive(a=b"1")), tmp_path)
    assert stat.S_IMODE((folder / "a").stat().st_mode) == mode
