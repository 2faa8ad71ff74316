"""Where a model may come from."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from stacks.context.model_source import PACKED_WEIGHTS, S3Object, parse_model_path, parse_s3_uri
from tests.inference.tiny_onnx import with_external_weights


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("s3://bucket/model.tar.gz", "bucket", "model.tar.gz"),
        ("s3://my.bucket-1/a/b/model.tgz", "my.bucket-1", "a/b/model.tgz"),
        ("https://bucket.s3.amazonaws.com/model.zip", "bucket", "model.zip"),
        ("s3://bucket/a/yolo11n.onnx", "bucket", "a/yolo11n.onnx"),
        ("https://bucket.s3.eu-west-1.amazonaws.com/a/m.zip", "bucket", "a/m.zip"),
        ("https://bucket.s3-us-west-2.amazonaws.com/m.zip", "bucket", "m.zip"),
        ("https://my.bucket.s3.dualstack.eu-west-1.amazonaws.com/m.zip", "my.bucket", "m.zip"),
        ("https://bucket.s3.cn-north-1.amazonaws.com.cn/m.zip", "bucket", "m.zip"),
        ("https://s3.eu-west-1.amazonaws.com/bucket/a/m.zip", "bucket", "a/m.zip"),
        ("https://s3-us-west-2.amazonaws.com/bucket/m.zip", "bucket", "m.zip"),
        ("https://s3.amazonaws.com/bucket/a%2Bb.zip", "bucket", "a+b.zip"),
    ],
)
def test_every_spelling_of_an_object_is_read(uri: str, bucket: str, key: str) -> None:
    assert parse_s3_uri(uri) == S3Object(bucket, key)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        7,
        "model.tar.gz",
        "s3://bucket",
        "s3://bucket/",
        "s3:///model.zip",
        "s3://Bucket/model.zip",
        "s3://user@bucket/model.zip",
        "s3://bucket/model.tar",
        "s3://bucket//model.zip",
        "s3://bucket/a//model.zip",
        "s3://bucket/a*/model.zip",
        "s3://bucket/$(reboot).zip",
        "s3://bucket/{work:path}.zip",
        "s3://bucket/two words.zip",
        "s3://bucket/" + "x" * 97 + ".zip",
        "s3://bucket/" + "x/" * 600 + "m.zip",
        "http://bucket.s3.amazonaws.com/model.zip",
        "https://[bucket/model.zip",
        "https://example.com/bucket/model.zip",
        "https://s3.amazonaws.com.example.com/bucket/model.zip",
        "https://bucket.s3.amazonaws.com/model.zip?versionId=1",
        "https://s3.amazonaws.com/model.zip",
    ],
)
def test_anything_else_is_refused(uri: object) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_s3_uri(uri)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "artifact"
    folder.mkdir()
    for name in ("compiled.so", "compiled.params", "compiled_model.json"):
        (folder / name).write_bytes(b"")
    return folder


def test_folder_with_a_compiled_model_is_accepted(artifact: Path) -> None:
    assert parse_model_path(str(artifact)) == artifact


@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".zip"])
def test_archive_of_a_compiled_model_is_accepted(artifact: Path, suffix: str) -> None:
    archive = artifact.parent / f"model{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            packed.write(artifact / "compiled.so", "compiled.so")
    else:
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(artifact / "compiled.so", "compiled.so")
    assert parse_model_path(str(archive)) == archive


def test_packed_demo_model_says_how_to_unpack_it(artifact: Path) -> None:
    (artifact / PACKED_WEIGHTS).touch()
    with pytest.raises(ValueError, match="packed demo model") as caught:
        parse_model_path(str(artifact))
    assert str(caught.value) == (
        "is a packed demo model; unpack it with `mli demo unpack artifact` "
        "and give the path that it prints"
    )


def test_runtime_library_alone_is_not_a_model(artifact: Path) -> None:
    (artifact / "compiled.so").rename(artifact / "libdlr.so")
    with pytest.raises(ValueError, match="holds no compiled model"):
        parse_model_path(str(artifact))


def test_broken_archive_is_refused(tmp_path: Path) -> None:
    for name in ("model.tar.gz", "model.zip"):
        (tmp_path / name).write_text("not an archive")
        with pytest.raises(ValueError, match="cannot be read as an archive"):
            parse_model_path(str(tmp_path / name))


def test_truncated_archive_is_refused(artifact: Path) -> None:
    (artifact / "compiled.so").write_bytes(bytes(range(256)) * 400)
    archive = artifact.parent / "model.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(artifact, "artifact")
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(ValueError, match="cannot be read as an archive"):
        parse_model_path(str(archive))


@pytest.mark.parametrize("value", ["", 7, None, "no/such/path", "a\0b"])
def test_what_is_no_path_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"must be the path|does not exist"):
        parse_model_path(value)


def test_model_in_a_folder_must_be_a_file(tmp_path: Path, artifact: Path) -> None:
    """A clone without its large files has links to nothing in their place."""
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "fruit.onnx").symlink_to("../objects/ab12")
    (tmp_path / "nested" / "fruit.onnx").mkdir(parents=True)
    for folder in ("linked", "nested"):
        with pytest.raises(ValueError, match=r"holds fruit\.onnx, which is no file, but a"):
            parse_model_path(str(tmp_path / folder))
    (artifact / "compiled.so").unlink()
    (artifact / "compiled.so").symlink_to("nowhere")
    with pytest.raises(ValueError, match=r"holds compiled\.so, which is no file"):
        parse_model_path(str(artifact))


def test_model_in_a_folder_must_have_its_weights(tmp_path: Path) -> None:
    model = with_external_weights(tmp_path / "fruit" / "fruit.onnx")
    assert parse_model_path(str(model.parent)) == model.parent
    (model.parent / "fruit.onnx.data").unlink()
    with pytest.raises(ValueError, match=r"lacks fruit\.onnx\.data, in which fruit\.onnx keeps"):
        parse_model_path(str(model.parent))


def test_corrupt_archive_is_refused(artifact: Path) -> None:
    (artifact / "compiled.so").write_bytes(bytes(range(256)) * 4000)
    archive = artifact.parent / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(artifact, "artifact")
    packed = bytearray(archive.read_bytes())
    packed[len(packed) // 2 :] = b"\xff" * (len(packed) - len(packed) // 2)
    archive.write_bytes(packed)
    with pytest.raises(ValueError, match="cannot be read as an archive"):
        parse_model_path(str(archive))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.so").touch()
    with pytest.raises(ValueError, match=r"must be a folder, or a file that ends in \.tar\.gz"):
        parse_model_path(str(tmp_path / "model.so"))
