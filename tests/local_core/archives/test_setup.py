"""What ``package`` wrote, unpacked where a device of this machine keeps it."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from local_core.archives.setup import SetupArchive
from local_core.device.generations import GENERATIONS
from local_core.device.setup import SetupError
from mli.device.generations.layout import Layout
from mli.device.generations.v1.layout import v1_layout
from mli.device.generations.v2.layout import v2_layout
from mli.device.packaging.archive import archive, save
from stacks.core.nucleus_configuration import NucleusConfiguration
from stacks.v1.group_outputs import core_configuration

THING_ARN = "arn:aws:iot:us-east-1:000000000000:thing/Demo_Core"
NUCLEUS = NucleusConfiguration("Demo_Core", "Alias", "us-east-1", "iot.example", "cred.example:8")
BOTH = {"classic": NUCLEUS.classic(), "lite": NUCLEUS.lite()}
GROUP = core_configuration(
    thing_arn=THING_ARN, iot_host="iot.example", greengrass_host="gg.example"
)


def _packed(file: Path, layout: Layout, *, key: bytes | None = b"key") -> Path:
    save(file, archive(layout.files(certificate=b"pem", private_key=key, root_ca=b"root")))
    return file


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    return _packed(tmp_path / "greengrass-setup.zip", v2_layout(BOTH, "classic"))


def test_v2_core_finds_its_files_below_the_devices_folder(zipped: Path, tmp_path: Path) -> None:
    read = SetupArchive.read(zipped)
    assert (read.generation, read.thing_name) == (GENERATIONS[2], "Demo_Core")
    root = tmp_path / "device"
    found = read.install(root)
    assert (found.thing_name, found.root) == ("Demo_Core", root)
    assert (found.broker.host, found.broker.port) == ("iot.example", 8883)
    assert found.private_key.read_bytes() == b"key"
    assert found.certificate.read_bytes() == b"pem"
    assert found.root_ca.read_bytes() == b"root"
    assert stat.S_IMODE(found.private_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert json.loads((root / "config.yaml").read_text())["system"]["rootpath"] == str(root)


def test_v1_core_finds_its_files_below_the_devices_folder(tmp_path: Path) -> None:
    read = SetupArchive.read(_packed(tmp_path / "v1.zip", v1_layout(GROUP)))
    assert (read.generation, read.thing_name) == (GENERATIONS[1], "Demo_Core")
    root = tmp_path / "a folder"
    found = read.install(root)
    assert (found.thing_name, found.root, found.region) == ("Demo_Core", root, "us-east-1")
    assert found.private_key == root / "certs" / "private.pem.key"
    assert found.root_ca.read_bytes() == b"root"


def test_archive_is_unpacked_over_an_older_one(zipped: Path, tmp_path: Path) -> None:
    root = tmp_path / "device"
    SetupArchive.read(zipped).install(root)
    (root / "private.pem.key").chmod(0o400)
    (root / "work").mkdir()
    newer = _packed(tmp_path / "new.zip", v2_layout(BOTH, "classic"), key=b"another key")
    found = SetupArchive.read(newer).install(root)
    assert found.private_key.read_bytes() == b"another key"
    assert (root / "work").is_dir()


def test_key_that_was_left_out_must_be_on_the_device(tmp_path: Path) -> None:
    zipped = _packed(tmp_path / "x.zip", v2_layout(BOTH, "classic"), key=None)
    root = tmp_path / "device"
    with pytest.raises(SetupError, match=r"holds no private.pem.key, .* without --without-key"):
        SetupArchive.read(zipped).install(root)
    (root / "private.pem.key").write_bytes(b"key")
    assert SetupArchive.read(zipped).install(root).private_key.read_bytes() == b"key"


def test_archive_of_nucleus_lite_is_refused(tmp_path: Path) -> None:
    zipped = _packed(tmp_path / "lite.zip", v2_layout(BOTH, "lite"))
    with pytest.raises(SetupError, match="again without --nucleus lite"):
        SetupArchive.read(zipped)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme.txt": "x"}, r"no config.yaml and no config/config.json: .* `mli"),
        ({"config.yaml": "system: {}"}, "config.yaml is not JSON"),
        ({"config.yaml": "[]"}, "config.yaml is not an object"),
        ({"config.yaml": "{}", "../key": "x"}, r"holds \.\./key .* is not an archive of"),
        ({"config.yaml": "{}", "/etc/passwd": "x"}, "holds /etc/passwd"),
        ({"config.yaml": "{}", "model": "x" * 2_000_000}, r"holds model \(2000000 bytes\)"),
    ],
)
def test_foreign_archive_is_refused(files: dict[str, str], message: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as opened:
        for name, text in files.items():
            opened.writestr(name, text)
    with pytest.raises(SetupError, match=message):
        SetupArchive.read(tmp_path / "x.zip")
    assert list(tmp_path.parent.glob("key")) == []


@pytest.mark.parametrize(
    "configuration", [{}, {"system": {"thingName": "../x"}}, {"system": {"thingName": 3}}]
)
def test_configuration_without_a_thing_is_refused(configuration: object, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as opened:
        opened.writestr("config.yaml", json.dumps(configuration))
    with pytest.raises(SetupError, match=r"config\.yaml names no thing"):
        _ = SetupArchive.read(tmp_path / "x.zip").thing_name


def test_missing_and_damaged_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"there is no .*x.zip: `mli package NAME`"):
        SetupArchive.read(tmp_path / "x.zip")
    (tmp_path / "x.zip").write_text("no archive")
    with pytest.raises(SetupError, match="cannot be read as a zip archive"):
        SetupArchive.read(tmp_path / "x.zip")
    with pytest.raises(SetupError, match="cannot be read as a zip archive"):
        SetupArchive.read(tmp_path)
