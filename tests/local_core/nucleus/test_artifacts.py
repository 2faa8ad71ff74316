from __future__ import annotations

import stat
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from local_core.nucleus.artifacts import ArtifactError, ArtifactStore, sha256_of, unzip
from local_core.nucleus.layout import CoreLayout
from local_core.nucleus.recipe import Artifact

CODE = Artifact("s3://bucket/code.zip", unarchive=True)
MODEL = Artifact("s3://bucket/model.zip")


class Bucket:
    """A bucket on this machine: each URI is a file."""

    def __init__(self, objects: dict[str, Path]) -> None:
        self.objects = objects
        self.fetched: list[str] = []

    def fetch(self, uri: str, destination: Path) -> bool:
        content = self.objects[uri].read_bytes()
        self.fetched.append(uri)
        if destination.exists() and destination.read_bytes() == content:
            return False
        destination.unlink(missing_ok=True)
        destination.write_bytes(content)
        return True


def zip_folder(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                opened.write(path, path.relative_to(folder))


@pytest.fixture
def assets(tmp_path: Path) -> dict[str, Path]:
    code = tmp_path / "asset.code"
    (code / "package").mkdir(parents=True)
    (code / "main.py").write_text("print('main')")
    (code / "package" / "__init__.py").write_text("")
    model = tmp_path / "asset.model.zip"
    model.write_bytes(b"model bytes")
    archive = tmp_path / "asset.code.zip"
    zip_folder(code, archive)
    return {CODE.uri: archive, MODEL.uri: model}


@pytest.fixture
def layout(tmp_path: Path) -> CoreLayout:
    return CoreLayout(tmp_path / "core")


def test_prepare_fetches_and_unpacks(assets: dict[str, Path], layout: CoreLayout) -> None:
    ArtifactStore(layout, Bucket(assets)).prepare("com.A", "1.0.0", (CODE, MODEL))
    model = layout.artifacts("com.A", "1.0.0") / "model.zip"
    main = layout.unarchived("com.A", "1.0.0") / "code" / "main.py"
    assert model.read_bytes() == b"model bytes"
    assert main.read_text() == "print('main')"
    assert (main.parent / "package" / "__init__.py").exists()
    assert not (layout.unarchived("com.A", "1.0.0") / "model").exists()
    assert stat.S_IMODE(model.stat().st_mode) == stat.S_IMODE(main.stat().st_mode) == 0o444


def test_second_time_changes_nothing(assets: dict[str, Path], layout: CoreLayout) -> None:
    store = ArtifactStore(layout, Bucket(assets))
    store.prepare("com.A", "1.0.0", (CODE, MODEL))
    before = {path: path.stat().st_ctime_ns for path in (layout.root).rglob("*.py")}
    time.sleep(0.02)
    store.prepare("com.A", "1.0.0", (CODE, MODEL))
    assert before == {path: path.stat().st_ctime_ns for path in (layout.root).rglob("*.py")}


def test_changed_file_is_fetched_and_unpacked_again(
    assets: dict[str, Path], layout: CoreLayout, tmp_path: Path
) -> None:
    zipped = Artifact(MODEL.uri, unarchive=True)
    store = ArtifactStore(layout, Bucket(assets))
    for content in ("one", "two"):
        source = tmp_path / content
        source.mkdir()
        (source / "file").write_text(content)
        zip_folder(source, assets[MODEL.uri])
        store.prepare("com.A", "1.0.0", (zipped,))
        assert (layout.unarchived("com.A", "1.0.0") / "model" / "file").read_text() == content


def test_other_versions_stay_until_one_is_settled_for(
    assets: dict[str, Path], layout: CoreLayout
) -> None:
    store = ArtifactStore(layout, Bucket(assets))
    for component, version in (("com.B", "1.0.0"), ("com.A", "1.0.0"), ("com.A", "2.0.0")):
        store.prepare(component, version, (CODE,))

    def kept() -> list[str]:
        return sorted(path.parent.name + path.name for path in layout.root.glob("packages/*/*/*"))

    assert kept() == sorted(2 * ["com.A1.0.0", "com.A2.0.0", "com.B1.0.0"])
    store.keep_only({"com.A": "2.0.0"})
    assert kept() == 2 * ["com.A2.0.0"]


def test_artifact_with_its_digest_is_fetched_once(
    assets: dict[str, Path], layout: CoreLayout
) -> None:
    bucket = Bucket(assets)
    known = replace(MODEL, digest=sha256_of(assets[MODEL.uri]))
    for _ in range(2):
        ArtifactStore(layout, bucket).prepare("com.A", "1.0.0", (known,))
    assert bucket.fetched == [MODEL.uri]


def test_artifact_of_another_digest_is_refused_and_not_kept(
    assets: dict[str, Path], layout: CoreLayout
) -> None:
    known = replace(MODEL, digest=sha256_of(assets[MODEL.uri]))
    assets[MODEL.uri].write_bytes(b"replaced behind the component's back")
    with pytest.raises(ArtifactError, match="another SHA-256 digest"):
        ArtifactStore(layout, Bucket(assets)).prepare("com.A", "1.0.0", (known,))
    assert not (layout.artifacts("com.A", "1.0.0") / "model.zip").exists()


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside", "..\\outside"])
def test_entry_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "in" / "evil.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("fine", "1")
        opened.writestr(name, "2")
    with pytest.raises(ArtifactError, match="unsafe entry"):
        unzip(archive, archive.parent / "evil")
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "evil.zip"]


def test_symbolic_link_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as opened:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc")
    with pytest.raises(ArtifactError, match="unsafe entry 'link'"):
        unzip(tmp_path / "evil.zip", tmp_path / "evil")


def test_damaged_archive_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "damaged.zip").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(ArtifactError, match=r"damaged.zip cannot be unpacked"):
        unzip(tmp_path / "damaged.zip", tmp_path / "content")
    assert (tmp_path / "content").exists()
