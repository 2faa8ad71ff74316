"""No credential of a source's address is left, whatever shape it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.sources.redaction import redacted, redacted_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://admin:hunter2@camera:554/h264", "rtsp://***@camera:554/h264"),
        ("rtsp://admin@camera/", "rtsp://***@camera/"),
        ("rtsp://admin:p@ss/w?rd@camera/", "rtsp://***@camera/"),
        ("rtsp://admin:hun/ter2", "rtsp://***"),
        ("http://camera:8080/path@2x.jpg", "http://camera:8080/path@2x.jpg"),
        ("http://[fe80::1]:80/a", "http://[fe80::1]:80/a"),
        ("http://camera/?size=4&token=abc&x=1", "http://camera/?size=4&token=***&x=1"),
        ("https://c/i?X-Amz-Signature=abc&X-Amz-Credential=k",
         "https://c/i?X-Amz-Signature=***&X-Amz-Credential=***"),
        ("http://c/?PASSWORD=abc;apiKey=d", "http://c/?PASSWORD=***"),
        ("rtsp:/admin:hunter2@camera/", "***@camera/"),
        ("admin:hunter2@camera/", "***@camera/"),
        ("camera:0:1280x720@15", "camera:0:1280x720@15"),
        ("/dev/video0:1280x720@15", "/dev/video0:1280x720@15"),
        ("rtsp://c:554/user=admin_password=abc_channel=1", "rtsp://c:554/user=***"),
        ("rtspsrc location=rtsp://a:b@c/d user-id=x user-pw='a b' ! decodebin",
         "rtspsrc location=rtsp://***@c/d user-id=*** user-pw=*** ! decodebin"),
        ('cannot open "rtsp://a:b@c/d": refused', 'cannot open "rtsp://***@c/d": refused'),
        ("/var/images/*.jpg", "/var/images/*.jpg"),
        ("camera:0", "camera:0"),
    ],
)  # fmt: skip
def test_credentials_are_hidden_and_the_rest_stays(text: str, expected: str) -> None:
    assert redacted(text) == expected


def test_one_address_may_wrongly_contain_spaces_and_quotes() -> None:
    assert redacted_url('rtsp://admin:hun ter"2@camera/') == "rtsp://***@camera/"


SECRETS = st.text("abcXYZ019/@:?#%&=+!*'\",;~ ", min_size=1).map(lambda text: f"S3{text}cr3T")


@given(password=SECRETS)
def test_no_password_of_any_characters_survives(password: str) -> None:
    assert "cr3T" not in redacted_url(f"rtsp://admin:{password}@camera:554/stream")
