"""Answers to challenges, against the examples of RFC 7616 and RFC 7617."""

from __future__ import annotations

import hashlib
import re

import pytest

from inference.sources.cameras.authentication import Authenticator, Credentials, credentials_of

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def answer(*headers: str, user: str = "Mufasa", password: str = "Circle of Life") -> str:
    made = Authenticator(Credentials(user, password), cnonce=lambda: CNONCE)
    assert made.learn(headers)
    header = made.header("GET", "/dir/index.html")
    assert header is not None
    return header


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
    ],
)
def test_the_example_of_rfc_7616(algorithm: str, response: str) -> None:
    header = answer(
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        f'nonce="{NONCE}", opaque="{OPAQUE}"'
    )
    assert f'response="{response}"' in header
    assert f"algorithm={algorithm}, qop=auth, nc=00000001" in header
    assert f'opaque="{OPAQUE}"' in header


def test_the_example_of_rfc_7617() -> None:
    header = answer('Basic realm="WallyWorld"', user="Aladdin", password="open sesame")
    assert header == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_an_old_server_is_answered_without_qop() -> None:
    header = answer('Digest realm="camera", nonce="abc"')

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    secret, request = md5("Mufasa:camera:Circle of Life"), md5("GET:/dir/index.html")
    assert f'response="{md5(f"{secret}:abc:{request}")}"' in header
    assert not re.search("qop|nc=|cnonce|algorithm", header)


def test_a_session_key_is_made_of_both_nonces() -> None:
    header = answer('Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth"')

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    secret = md5(f"{md5('Mufasa:r:Circle of Life')}:n:{CNONCE}")
    proof = md5(f"{secret}:n:00000001:{CNONCE}:auth:{md5('GET:/dir/index.html')}")
    assert f'response="{proof}"' in header


BASIC = 'Basic realm="a, Digest b"'
MD5 = 'Digest realm="md5", nonce="n", qop="auth"'
SHA = 'Digest realm="sha", nonce="n", algorithm=SHA-256, qop="auth"'


@pytest.mark.parametrize(
    ("headers", "chosen"),
    [
        ((BASIC, MD5, SHA), "sha"),
        ((SHA, MD5, BASIC), "sha"),
        ((f"{BASIC}, {MD5}",), "md5"),
        (("Negotiate, " + MD5,), "md5"),
        (('Digest realm="x", nonce="n", algorithm=SHA-512-256', MD5), "md5"),
        (('Digest realm="x", nonce="n", qop="auth-int"', MD5), "md5"),
        (('digest  REALM = md5 ,nonce=n',), "md5"),
    ],
)  # fmt: skip
def test_the_strongest_that_can_be_answered_is(headers: tuple[str, ...], chosen: str) -> None:
    assert f'realm="{chosen}"' in answer(*headers)


@pytest.mark.parametrize("header", ["Negotiate", "NTLM TlRMTVNTUA==", 'Digest realm="x"', "", "="])
def test_what_cannot_be_answered_is_not(header: str) -> None:
    made = Authenticator(Credentials("a", "b"))
    assert not made.learn([header])
    assert made.header("GET", "/") is None


def test_a_basic_challenge_without_its_realm_is_answered() -> None:
    assert answer("Basic").startswith("Basic ")


def test_each_request_is_counted_and_a_new_challenge_begins_again() -> None:
    made = Authenticator(Credentials("a", "b"))
    for _ in range(2):
        assert made.learn([MD5])
        counts = [re.findall(r"nc=(\w+)", made.header("GET", "/") or "") for _ in range(2)]
        assert counts == [["00000001"], ["00000002"]]


def test_credentials_are_unescaped_and_not_shown() -> None:
    found = credentials_of("rtsp://us%65r:p%40ss%2Fw@camera/")
    assert found == Credentials("user", "p@ss/w")
    assert "p@ss" not in repr(found)
    assert credentials_of("rtsp://camera/") is None
