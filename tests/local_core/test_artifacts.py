from __future__ import annotations

import stat
import time
import zipfile
from pathlib import Path

import pytest

from local_core.assembly import AssemblyFetcher
from local_core.nucleus.artifacts import ArtifactError, ArtifactStore, unzip, zip_folder
from local_core.nucleus.layout import CoreLayout
from local_core.nucleus.recipe import Artifact

CODE = Artifact("s3://bucket/code.zip", unarchive=True)
MODEL = Artifact("s3://bucket/model.zip")


@pytest.fixture
def assets(tmp_path: Path) -> dict[str, Path]:
    code = tmp_path / "asset.code"
    (code / "package").mkdir(parents=True)
    (code / "main.py").write_text("print('main')")
    (code / "package" / "__init__.py").write_text("")
    model = tmp_path / "asset.model.zip"
    model.write_bytes(b"model bytes")
    return {CODE.uri: code, MODEL.uri: model}


@pytest.fixture
def layout(tmp_path: Path) -> CoreLayout:
    return CoreLayout(tmp_path / "core")


def test_prepare_fetches_and_unpacks(assets: dict[str, Path], layout: CoreLayout) -> None:
    ArtifactStore(layout, AssemblyFetcher(assets)).prepare("com.A", "1.0.0", (CODE, MODEL))
    model = layout.artifacts("com.A", "1.0.0") / "model.zip"
    main = layout.unarchived("com.A", "1.0.0") / "code" / "main.py"
    assert model.read_bytes() == b"model bytes"
    assert main.read_text() == "print('main')"
    assert (main.parent / "package" / "__init__.py").exists()
    assert not (layout.unarchived("com.A", "1.0.0") / "model").exists()
    assert stat.S_IMODE(model.stat().st_mode) == stat.S_IMODE(main.stat().st_mode) == 0o444


def test_second_time_changes_nothing(assets: dict[str, Path], layout: CoreLayout) -> None:
    store = ArtifactStore(layout, AssemblyFetcher(assets))
    store.prepare("com.A", "1.0.0", (CODE, MODEL))
    before = {path: path.stat().st_ctime_ns for path in (layout.root).rglob("*.py")}
    time.sleep(0.02)
    store.prepare("com.A", "1.0.0", (CODE, MODEL))
    assert before == {path: path.stat().st_ctime_ns for path in (layout.root).rglob("*.py")}


def test_changed_file_is_fetched_and_unpacked_again(
    assets: dict[str, Path], layout: CoreLayout, tmp_path: Path
) -> None:
    zipped = Artifact(MODEL.uri, unarchive=True)
    store = ArtifactStore(layout, AssemblyFetcher(assets))
    for content in ("one", "two"):
        source = tmp_path / content
        source.mkdir()
        (source / "file").write_text(content)
        zip_folder(source, assets[MODEL.uri])
        store.prepare("com.A", "1.0.0", (zipped,))
        assert (layout.unarchived("com.A", "1.0.0") / "model" / "file").read_text() == content


def test_other_versions_of_the_component_are_removed(
    assets: dict[str, Path], layout: CoreLayout
) -> None:
    store = ArtifactStore(layout, AssemblyFetcher(assets))
    store.prepare("com.B", "1.0.0", (CODE,))
    store.prepare("com.A", "1.0.0", (CODE,))
    store.prepare("com.A", "2.0.0", (CODE,))
    kept = sorted(path.parent.name + path.name for path in layout.root.glob("packages/*/*/*"))
    assert kept == ["com.A2.0.0", "com.A2.0.0", "com.B1.0.0", "com.B1.0.0"]


def test_artifact_that_is_no_asset_is_named(layout: CoreLayout) -> None:
    with pytest.raises(ArtifactError, match=r"s3://bucket/code\.zip is not an asset"):
        ArtifactStore(layout, AssemblyFetcher({})).prepare("com.A", "1.0.0", (CODE,))


def test_zip_depends_on_content_only(tmp_path: Path) -> None:
    for name, files in (("one", "ab"), ("two", "ba")):
        for file in files:
            path = tmp_path / name / file / "x"
            path.parent.mkdir(parents=True)
            path.write_text(file)
            time.sleep(0.01)
        zip_folder(tmp_path / name, tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert [entry.filename for entry in archive.infolist()] == ["a/x", "b/x"]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


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
