"""Archives and folders as other tools leave them: what bare DLR runs, runs here."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from inference.errors import ModelError
from inference.model.artifacts import members
from inference.model.artifacts.artifact import check_artifact, open_artifact
from inference.model.artifacts.digests import DIGESTS_FILE, record_digests
from inference.model.artifacts.unpacking import unpack
from inference.model.profiles.profile import load_profile
from inference.serving.loading import load_model
from models import packing

NAME = "efficientnet-lite0-imagenet"
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
FILES = ("compiled.so", "compiled_model.json", "compiled.params")


def predicts(path: Path, work: Path) -> None:
    """Load the artifact at ``path`` as a component does, and run it."""
    loaded = load_model(path, work, load_profile(NAME), "cpu", try_once=True)
    [scores] = loaded.model.run(np.zeros(loaded.profile.input.shape, np.float32))
    assert scores.shape == (1, 1000)


@pytest.fixture
def plain(classifier: Path) -> Path:
    """The classifier as a compiler writes it, without digests."""
    (classifier / DIGESTS_FILE).unlink()
    return classifier


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def tar(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder.with_name("packed")), "tar", folder))


@pytest.mark.parametrize("name", ["model-shapes.json", "hyperparams.json"])
def test_files_that_sagemaker_puts_beside_the_graph(plain: Path, work: Path, name: str) -> None:
    (plain / name).write_text('{"data":[1,3,224,224]}')
    predicts(tar(plain), work)


def test_an_archive_of_macos(plain: Path, work: Path) -> None:
    for name in FILES:
        (plain / f"._{name}").write_bytes(APPLE_DOUBLE)
    (plain / "__MACOSX").mkdir()
    (plain / "__MACOSX" / "._compiled.so").write_bytes(APPLE_DOUBLE)
    archive = tar(plain)
    predicts(archive, work)
    assert not list(unpack(archive, work).rglob("._*"))


def test_a_folder_that_macos_copied(classifier: Path, work: Path) -> None:
    for name in FILES:
        (classifier / f"._{name}").write_bytes(APPLE_DOUBLE)
    predicts(classifier, work)


def test_digests_of_all_files_of_macos(plain: Path, work: Path) -> None:
    record_digests(plain)
    listed = (plain / DIGESTS_FILE).read_text().replace("  ", "  ./")
    (plain / DIGESTS_FILE).write_text(listed + f"{'0' * 64}  ./._compiled.so\n")
    archive = tar(plain)
    assert open_artifact(archive, work).has_digests


def test_a_hidden_folder_may_hold_a_model(classifier: Path) -> None:
    hidden = classifier.rename(classifier.with_name(".model"))
    assert open_artifact(hidden, hidden).has_digests


def test_an_array_that_the_graph_does_not_take(plain: Path, work: Path) -> None:
    params = plain / "compiled.params"
    arrays = packing.read_params(params.read_bytes())
    arrays["aux_unused"] = np.zeros((3, 4), np.float32)
    params.write_bytes(packing.write_params(arrays))
    predicts(plain, work)


def test_parameters_of_which_the_graph_takes_none_are_another_model_s(plain: Path) -> None:
    params = plain / "compiled.params"
    params.write_bytes(packing.write_params({"other": np.zeros((3, 4), np.float32)}))
    with pytest.raises(ModelError, match="does not belong to"):
        check_artifact(plain)


def test_a_zip_with_backslashes(plain: Path, work: Path) -> None:
    archive = work / "model.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for name in FILES:
            info = zipfile.ZipInfo("x")
            info.filename = f"model\\{name}"
            bundle.writestr(info, (plain / name).read_bytes())
    predicts(archive, work)


@pytest.mark.parametrize("name", ["..\\..\\evil.so", "\\evil.so", "C:\\evil.so"])
def test_a_zip_with_backslashes_stays_in_its_folder(work: Path, name: str) -> None:
    archive = work / "model.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        info = zipfile.ZipInfo("x")
        info.filename = name
        bundle.writestr(info, "x")
    with pytest.raises(ModelError, match="would be written outside its folder"):
        unpack(archive, work / "deep" / "work")
    assert [path.name for path in work.rglob("*.so")] == []


@pytest.mark.parametrize("kind", ["hard", "symbolic"])
def test_links_to_files_of_the_archive(plain: Path, work: Path, kind: str) -> None:
    real = plain / "objects"
    real.mkdir()
    for name in FILES:
        (plain / name).rename(real / f"{name}.1")
        if kind == "hard":
            os.link(real / f"{name}.1", plain / name)
        else:
            (plain / name).symlink_to(f"objects/{name}.1")
    archive = work / "model.tar"
    with tarfile.open(archive, "w") as bundle:
        bundle.add(real, "objects")
        for name in FILES:
            bundle.add(plain / name, name)
    with tarfile.open(archive) as bundle:
        assert any(one.islnk() or one.issym() for one in bundle)
    predicts(archive, work)


def test_links_count_with_the_size_of_their_content(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand links to one large file are as large as a thousand files."""
    archive = work / "model.tar"
    with tarfile.open(archive, "w") as bundle:
        one = tarfile.TarInfo("compiled.so")
        one.size = 1000
        bundle.addfile(one, io.BytesIO(bytes(1000)))
        for number in range(1000):
            link = tarfile.TarInfo(f"{number}.so")
            link.type, link.linkname = tarfile.LNKTYPE, "compiled.so"
            bundle.addfile(link)
    monkeypatch.setattr(members, "_MAX_UNPACKED_BYTES", 100_000)
    with pytest.raises(ModelError, match="larger unpacked than a model can be"):
        unpack(archive, work)


@pytest.mark.parametrize("target", ["b.so", "nowhere.so", "."])
def test_links_that_lead_nowhere_are_refused_with_the_cure(work: Path, target: str) -> None:
    archive = work / "model.tar"
    with tarfile.open(archive, "w") as bundle:
        for name, linked in (("a.so", target), ("b.so", "a.so")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, linked
            bundle.addfile(link)
    with pytest.raises(ModelError, match="tar --dereference --hard-dereference"):
        unpack(archive, work)


def test_a_relative_path_without_digests(
    plain: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plain.parent)
    predicts(Path(plain.name), work)


def test_a_damaged_unpacked_model_is_unpacked_again(
    plain: Path, work: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = tar(plain)
    unpacked = open_artifact(archive, work)
    record_digests(unpacked.folder)
    os.truncate(unpacked.folder / "compiled.params", 1000)
    assert open_artifact(archive, work).sha256 == unpacked.sha256
    assert "compiled.params: is truncated or changed" in caplog.text
    assert "unpacking" in caplog.text
    assert sorted(path.name for path in work.iterdir()) == [unpacked.folder.name]


def test_an_unpacked_model_that_lost_its_library_is_unpacked_again(plain: Path, work: Path) -> None:
    archive = tar(plain)
    folder = open_artifact(archive, work).folder
    (folder / "compiled.so").unlink()
    assert (open_artifact(archive, work).folder / "compiled.so").is_file()


def test_an_archive_that_is_itself_damaged_is_refused_once_more(work: Path) -> None:
    archive = work / "model.tar"
    with tarfile.open(archive, "w") as bundle:
        one = tarfile.TarInfo("compiled.so")
        one.size = 100
        bundle.addfile(one, io.BytesIO(bytes(100)))
    for _ in range(2):
        with pytest.raises(ModelError, match="is not a shared library"):
            open_artifact(archive, work)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_any_size_is_refused_in_little_memory(work: Path, kind: bytes) -> None:
    size = 150 << 20
    archive = work / "model.tar.gz"
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, size
    with gzip.open(archive, "wb", compresslevel=1) as stream:
        stream.write(header.tobuf())
        for _ in range(size >> 20):
            stream.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="its headers have more than 32 MiB"):
            unpack(archive, work)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
