"""Damaged, foreign and hostile artifacts: each ends in one line that names the file."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.errors import ModelError
from inference.model.artifacts import members
from inference.model.artifacts.artifact import check_artifact, open_artifact
from inference.model.artifacts.digests import DIGESTS_FILE, record_digests
from inference.model.artifacts.unpacking import remove_leftovers, unpack
from tests.archives import packed


def refused(path: Path, work: Path | None = None) -> str:
    """Return the one line with which the artifact at ``path`` is refused."""
    with pytest.raises(ModelError) as caught:
        open_artifact(path, work if work is not None else path.parent / "work")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def truncate(path: Path, part: float = 0.5) -> None:
    os.truncate(path, int(path.stat().st_size * part))


def without_digests(folder: Path) -> Path:
    (folder / DIGESTS_FILE).unlink()
    return folder


def make_tar(path: Path, name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as bundle:
        info = tarfile.TarInfo(name)
        info.type = kind
        info.size = len(content) if kind == tarfile.REGTYPE else 0
        info.linkname = "/etc/passwd"
        bundle.addfile(info, io.BytesIO(content))
    return path


def test_a_sound_artifact_tells_its_input_and_identity(classifier: Path) -> None:
    artifact = check_artifact(classifier)
    assert artifact.input_shapes == {"data": (1, 3, 224, 224)}
    assert artifact.has_digests
    assert check_artifact(without_digests(classifier)).sha256 == artifact.sha256


@pytest.mark.parametrize("name", ["compiled.so", "compiled.params", "compiled_model.json"])
@pytest.mark.parametrize("part", [0, 0.5, 0.999])
def test_a_truncated_file_is_named_with_digests_and_without(
    classifier: Path, name: str, part: float
) -> None:
    truncate(classifier / name, part)
    assert f"{name}: is truncated or changed" in refused(classifier)
    assert name in refused(without_digests(classifier))


def test_one_flipped_bit_is_noticed(classifier: Path) -> None:
    with (classifier / "compiled.params").open("r+b") as stream:
        stream.seek(-100, os.SEEK_END)
        byte = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte[0] ^ 1]))
    assert "compiled.params: is truncated or changed" in refused(classifier)


@pytest.mark.parametrize("name", ["compiled.so", "compiled.params", "compiled_model.json"])
def test_a_file_of_another_model_is_noticed_even_without_digests(
    classifier: Path, tmp_path: Path, name: str
) -> None:
    from models import store

    shutil.copy(store.unpacked("ssdlite-mobilenet-v2-coco") / name, classifier / name)
    assert f"{name}: is truncated or changed" in refused(classifier)
    assert "does not belong to" in refused(without_digests(classifier))


@pytest.mark.parametrize(
    ("name", "said", "said_without_digests"),
    [
        ("compiled.so", "no compiled model", "no compiled model"),
        ("compiled.params", "compiled.params: is missing", "needs exactly one .params file"),
        ("compiled_model.json", "compiled_model.json: is missing", "needs exactly one .json file"),
    ],
)
def test_a_missing_file_is_named(
    classifier: Path, name: str, said: str, said_without_digests: str
) -> None:
    (classifier / name).unlink()
    assert said in refused(classifier)
    assert said_without_digests in refused(without_digests(classifier))


def test_two_libraries_are_refused(classifier: Path) -> None:
    shutil.copy(classifier / "compiled.so", classifier / "other.so")
    assert f"other.so: is not listed in {DIGESTS_FILE}" in refused(classifier)
    assert "compiled.so, other.so" in refused(without_digests(classifier))


def test_the_runtime_library_of_neo_is_not_taken_for_a_model(classifier: Path) -> None:
    shutil.copy(classifier / "compiled.so", classifier / "libdlr.so")
    assert check_artifact(without_digests(classifier)).input_shapes


@pytest.mark.parametrize(
    ("machine", "told"), [(183, "aarch64"), (40, "armv7l"), (9999, "ELF machine 9999")]
)
def test_a_library_for_another_machine_is_reported_so(
    classifier: Path, machine: int, told: str
) -> None:
    with (without_digests(classifier) / "compiled.so").open("r+b") as stream:
        stream.seek(18)
        stream.write(struct.pack("<H", machine))
    assert f"is compiled for {told}, this Python is for x86_64" in refused(classifier)


def test_a_text_in_place_of_the_library_is_reported_so(classifier: Path) -> None:
    (without_digests(classifier) / "compiled.so").write_text("version https://git-lfs")
    assert "compiled.so: is not a shared library" in refused(classifier)


def test_random_damage_never_gives_anything_but_one_line(classifier: Path) -> None:
    """Whatever bytes a parameter or graph file begins with, the checks say no and nothing else."""
    without_digests(classifier)
    for name in ("compiled.params", "compiled_model.json"):
        original = (classifier / name).read_bytes()
        for position in range(0, 400, 40):
            damaged = bytearray(original)
            damaged[position : position + 8] = b"\xff" * 8
            (classifier / name).write_bytes(bytes(damaged))
            refused(classifier)
        (classifier / name).write_bytes(original)


def test_a_broken_digest_list_is_named(classifier: Path) -> None:
    (classifier / DIGESTS_FILE).write_text("not a digest\n")
    assert f"{DIGESTS_FILE}: 'not a digest' is not a digest" in refused(classifier)


def test_recorded_digests_are_on_disk_before_they_get_their_name(
    classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_digests(classifier)
    synced: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        os,
        "fsync",
        lambda one: synced.append(
            (Path(f"/proc/self/fd/{one}").resolve().name, (classifier / DIGESTS_FILE).exists())
        ),
    )
    record_digests(classifier)
    assert synced == [(f"{DIGESTS_FILE}.partial", False)]


def test_recorded_digests_are_sha256sum_s_own(classifier: Path) -> None:
    record_digests(without_digests(classifier))
    subprocess.run(["sha256sum", "--check", "--quiet", DIGESTS_FILE], cwd=classifier, check=True)
    assert check_artifact(classifier).has_digests


@pytest.mark.parametrize("pack", ["gztar", "zip", "tar"])
def test_archives_of_each_form_are_unpacked_once(
    classifier: Path, tmp_path: Path, pack: str
) -> None:
    archive = packed(tmp_path / "m", pack, classifier)
    work = tmp_path / "work"
    first = open_artifact(archive, work)
    assert first.sha256 == check_artifact(classifier).sha256
    stamp = (first.folder / "compiled.so").stat().st_mtime_ns
    assert open_artifact(archive, work).folder == first.folder
    assert (first.folder / "compiled.so").stat().st_mtime_ns == stamp


def test_a_model_one_folder_down_is_found(classifier: Path, tmp_path: Path) -> None:
    archive = packed(tmp_path / "m", "gztar", tmp_path, "model")
    assert open_artifact(archive, tmp_path / "work").folder.name == "model"


HOSTILE: list[tuple[str, Callable[[Path], Path], str]] = [
    ("parent", lambda p: make_tar(p / "a.tar.gz", "../evil.so"), "'../evil.so' would be written"),
    ("absolute", lambda p: make_tar(p / "a.tar.gz", "/tmp/evil.so"), "'/tmp/evil.so' would be"),
    ("symlink", lambda p: make_tar(p / "a.tar.gz", "x.so", kind=tarfile.SYMTYPE), "is a link to"),
    ("hardlink", lambda p: make_tar(p / "a.tar.gz", "x.so", kind=tarfile.LNKTYPE), "is a link to"),
    ("device", lambda p: make_tar(p / "a.tar.gz", "x.so", kind=tarfile.CHRTYPE), "is a device"),
    ("fifo", lambda p: make_tar(p / "a.tar.gz", "x.so", kind=tarfile.FIFOTYPE), "is a device"),
]


@pytest.mark.parametrize(("make", "told"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
def test_hostile_members_are_refused_and_nothing_is_written(
    tmp_path: Path, make: Callable[[Path], Path], told: str
) -> None:
    work = tmp_path / "deep" / "work"
    assert told in refused(make(tmp_path), work)
    assert list(work.iterdir()) == []
    assert not (tmp_path / "deep" / "evil.so").exists()


def test_a_zip_with_traversal_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("ok.so", "x")
        bundle.writestr("../../evil.so", "x")
    assert "'../../evil.so' would be written outside" in refused(archive, tmp_path / "w" / "work")
    assert not (tmp_path / "evil.so").exists()


def test_a_zip_with_a_link_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        info = zipfile.ZipInfo("compiled.so")
        info.external_attr = 0o120777 << 16
        bundle.writestr(info, "/etc/passwd")
    assert "is a link" in refused(archive)


@pytest.mark.parametrize("pack", ["gztar", "zip", "tar"])
def test_an_archive_larger_than_any_model_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "compiled.so").write_bytes(bytes(1001))
    archive = Path(shutil.make_archive(str(tmp_path / "m"), pack, folder))
    monkeypatch.setattr(members, "_MAX_UNPACKED_BYTES", 1000)
    assert "is larger unpacked than a model can be" in refused(archive, tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def test_an_archive_that_claims_to_hold_more_than_it_does_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.tar"
    info = tarfile.TarInfo("compiled.so")
    info.size = 1 << 40
    archive.write_bytes(info.tobuf() + bytes(1024))
    assert "cannot be unpacked: unexpected end of data" in refused(archive)


@pytest.mark.parametrize("pack", ["gztar", "zip"])
@pytest.mark.parametrize("part", [0.2, 0.7, 0.999])
def test_a_truncated_archive_leaves_nothing_behind(tmp_path: Path, pack: str, part: float) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "compiled.so").write_bytes(os.urandom(100_000))
    archive = Path(shutil.make_archive(str(tmp_path / "m"), pack, folder))
    truncate(archive, part)
    assert str(archive) in refused(archive, tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x1f\x8b\x08", b"plain text" * 99])
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(content)
    assert str(path) in refused(path)


def test_a_path_of_nothing_is_named(tmp_path: Path) -> None:
    assert "there is no such file or folder" in refused(tmp_path / "none.tar.gz")
    assert "no compiled model" in refused(tmp_path)


def test_an_archive_in_an_archive_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "outer"
    folder.mkdir()
    (folder / "inner.tar.gz").write_bytes(b"")
    archive = Path(shutil.make_archive(str(tmp_path / "m"), "gztar", folder))
    reason = refused(archive, tmp_path / "work")
    assert reason.endswith("no .onnx file in it; it holds inner.tar.gz: take that out of it")


def test_leftovers_of_other_versions_are_removed(classifier: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    archive = packed(tmp_path / "m", "zip", classifier)
    kept = unpack(archive, work)
    for name in ("model-0123456789abcdef", ".unpacking-x", "venv-1"):
        (work / name).mkdir()
    remove_leftovers(work, kept)
    assert sorted(path.name for path in work.iterdir()) == sorted([kept.name, "venv-1"])
