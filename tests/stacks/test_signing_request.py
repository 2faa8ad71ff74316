"""Certificate signing requests of every kind of key, as openssl writes them."""

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.context.signing_request import COMMAND, read_request
from tests.stacks.configurations import REQUEST

ACCEPTED = {
    "rsa-2048": ["-newkey", "rsa:2048"],
    "rsa-3072": ["-newkey", "rsa:3072"],
    "p-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p-384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "p-521": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
}
REFUSED = {
    "RSA-1024": ["-newkey", "rsa:1024"],
    "Ed25519": ["-newkey", "ed25519"],
    "Ed448": ["-newkey", "ed448"],
    "secp256k1": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
}


def request(folder: Path, options: list[str]) -> str:
    path = folder / "core.csr"
    subprocess.run(
        [
            *("openssl", "req", "-new", *options, "-nodes", "-subj", "/CN=core"),
            *("-keyout", str(folder / "key.pem"), "-out", str(path)),
        ],
        check=True,
        capture_output=True,
    )
    return path.read_text()


@pytest.mark.parametrize("key", ACCEPTED)
def test_request_with_a_key_that_aws_iot_takes_is_read(tmp_path: Path, key: str) -> None:
    text = request(tmp_path, ACCEPTED[key])
    assert read_request(text) == text


@pytest.mark.parametrize("key", REFUSED)
def test_request_with_another_key_is_refused_with_the_command(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="AWS IoT takes RSA from 2048 bits and P-256") as caught:
        read_request(request(tmp_path, REFUSED[key]))
    assert key in str(caught.value)
    assert f"`{COMMAND}`" in str(caught.value)


def test_command_of_the_message_writes_a_request_that_is_read(tmp_path: Path) -> None:
    subprocess.run(COMMAND.split(), cwd=tmp_path, check=True, capture_output=True)
    text = (tmp_path / "core.csr").read_text()
    assert read_request(text) == text


def test_request_without_its_signature_is_damaged() -> None:
    der = base64.b64decode("".join(REQUEST.read_text().splitlines()[1:-1]))
    information = der[4 : 4 + 4 + int.from_bytes(der[6:8])]
    outer = b"\x30\x82" + len(information).to_bytes(2) + information
    with pytest.raises(ValueError, match="cut short or damaged"):
        read_request(pem(outer))


@given(st.binary(max_size=300), st.integers(0, 600), st.integers(0, 600))
def test_damaged_requests_are_a_fault_and_no_traceback(
    noise: bytes, start: int, length: int
) -> None:
    der = base64.b64decode("".join(REQUEST.read_text().splitlines()[1:-1]))
    try:
        read_request(pem(der[:start] + noise + der[start + length :]))
    except ValueError as error:
        assert str(error)


def pem(der: bytes) -> str:
    body = base64.b64encode(der).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n"
