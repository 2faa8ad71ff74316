"""``certificate``: keys are private, nothing is overwritten, and the ``-c`` line deploys."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_csr

from local_core.cloud import LocalCloud
from mli.device.certificates import keyfiles
from mli.errors import MliError
from stacks.context.keys import CORE_FIELDS
from tests.mli.support import Commands


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_certificate_of_aws_is_active_and_its_key_private(
    commands: Commands, cloud: LocalCloud
) -> None:
    said = commands.json("certificate", "Demo")
    folder = commands.folder / "certs" / "Demo"
    assert _mode(folder) == 0o700
    assert _mode(folder / "private.pem.key") == 0o600
    assert (folder / ".gitignore").read_text() == "*\n"
    assert (folder / "AmazonRootCA1.pem").read_text().split() == cloud.ca_path.read_text().split()
    found = cloud.client("iot").describe_certificate(certificateId=said["certificateId"])
    assert found["certificateDescription"]["status"] == "ACTIVE"
    assert said["context"] == f"-c coreName=Demo -c certificateId={said['certificateId']}"


def test_repeated_command_says_the_same_and_makes_nothing(
    commands: Commands, cloud: LocalCloud
) -> None:
    first = commands.json("certificate", "Demo")
    files = {file: file.read_bytes() for file in Path("certs/Demo").iterdir()}
    count = len(cloud.client("iot").list_certificates(pageSize=250)["certificates"])
    again = commands.json("certificate", "Demo")
    assert (first["made"], again["made"]) == (True, False)
    assert again["context"] == first["context"]
    assert files == {file: file.read_bytes() for file in Path("certs/Demo").iterdir()}
    assert len(cloud.client("iot").list_certificates(pageSize=250)["certificates"]) == count


@pytest.mark.parametrize(("kind", "bits"), [("ec", 256), ("rsa", 2048)])
def test_request_is_for_a_key_that_stays_here(commands: Commands, kind: str, bits: int) -> None:
    said = commands.json("certificate", "Demo", "--csr", "--key-type", kind)
    key = load_pem_private_key(Path("certs/Demo/private.pem.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    assert key.key_size == bits
    request = load_pem_x509_csr(Path("certs/Demo/device.csr").read_bytes())
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()
    option = said["context"].split(" -c ")[1]
    assert option == "certificateSigningRequest=certs/Demo/device.csr"
    [field] = [f for f in CORE_FIELDS if f.key == "certificateSigningRequest"]
    assert "CERTIFICATE REQUEST" in field.parse("certs/Demo/device.csr")


def test_key_of_another_kind_is_not_taken_for_the_one_that_was_asked_for(
    commands: Commands,
) -> None:
    commands.run("certificate", "Demo", "--csr")
    said = commands.run("certificate", "Demo", "--csr", "--key-type", "rsa", code=1)
    assert "certs/Demo/private.pem.key is not of --key-type rsa, and is not overwritten" in said
    assert not commands.json("certificate", "Demo", "--csr", "--key-type", "ec")["made"]
    assert not commands.json("certificate", "Demo", "--csr")["made"]


def test_request_is_made_again_for_a_key_left_by_an_interruption(commands: Commands) -> None:
    commands.run("certificate", "Demo", "--csr")
    key = Path("certs/Demo/private.pem.key").read_bytes()
    Path("certs/Demo/device.csr").unlink()
    assert commands.json("certificate", "Demo", "--csr")["made"]
    assert Path("certs/Demo/private.pem.key").read_bytes() == key


def test_key_of_a_request_is_not_overwritten_by_aws(commands: Commands) -> None:
    commands.run("certificate", "Demo", "--csr")
    said = commands.run("certificate", "Demo", code=1)
    assert "private.pem.key already exists, and is not overwritten" in said


def test_folder_that_others_may_look_into_is_refused(commands: Commands) -> None:
    Path("open").mkdir(mode=0o755)
    said = commands.run("certificate", "Demo", "--folder", "open", code=1)
    assert "chmod 700 open" in said
    assert list(Path("open").iterdir()) == []


def test_folder_under_whose_name_nobody_may_watch_is_wrong_usage(commands: Commands) -> None:
    """The policy permits connections as NAME…, and `mli watch` connects as FOLDER…"""
    given = ("certificate", "display", "--watch", "--folder")
    said = commands.run(*given, "keys", code=2)
    assert "its name must begin with display" in said
    assert not Path("keys").exists()
    assert "mli watch --all --certificate keys/display-2" in commands.run(*given, "keys/display-2")


def test_name_that_no_core_may_have_is_wrong_usage(commands: Commands) -> None:
    assert "at most 64" in commands.run("certificate", "../Demo", code=2)


def test_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "key"
    keyfiles.write_new(file, b"first", 0o600)
    with pytest.raises(MliError, match="not overwritten"):
        keyfiles.write_new(file, b"second", 0o600)
    assert file.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [file]


def test_root_certificate_is_amazons() -> None:
    found = keyfiles.load_certificate(keyfiles.root_certificate(), "root")
    assert "CN=Amazon Root CA 1" in found.subject.rfc4514_string()


def test_existing_key_of_a_kind_that_aws_iot_does_not_take_is_reported(commands: Commands) -> None:
    keys = keyfiles.KeyFolder(Path("certs/Demo"))
    keys.prepare()
    keys.write_key(keyfiles.key_pem(ec.generate_private_key(ec.SECP256K1())))
    said = commands.run("certificate", "Demo", "--csr", code=1)
    assert "private.pem.key is EC on the curve secp256k1, which AWS IoT does not take" in said
    assert not keys.request.exists()


def test_rsa_key_that_is_damaged_is_named(commands: Commands) -> None:
    commands.run("certificate", "Demo")
    folder = Path("certs/Demo")
    certificate, pem = (
        (folder / one).read_bytes() for one in ("device.pem.crt", "private.pem.key")
    )
    keyfiles.check_pair(certificate, pem, "certs/Demo")
    key = load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    good = key.private_numbers()
    bad = rsa.RSAPrivateNumbers(
        good.p, good.q, good.d ^ 4, good.dmp1 ^ 4, good.dmq1, good.iqmp, good.public_numbers
    )
    damaged = keyfiles.key_pem(bad.private_key(unsafe_skip_rsa_key_validation=True))
    for wrong in (damaged, pem[:400], b"no key"):
        with pytest.raises(MliError, match=r"certs/Demo/private\.pem\.key cannot be read as a key"):
            keyfiles.check_pair(certificate, wrong, "certs/Demo")
