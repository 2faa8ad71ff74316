"""No credential of a source's address is left, whatever shape it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.redaction import MAX_CHARACTERS, one_line, redacted, redacted_url
from inference.sources.specification import parse_sources


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
        ("rtspsrc user-pw = x1 ! decodebin", "rtspsrc user-pw = *** ! decodebin"),
        ("rtspsrc user-pw  =  'x \\'y z' ! decodebin", "rtspsrc user-pw  =  *** ! decodebin"),
        ('rtspsrc user-pw="x \\"y z" ! decodebin', "rtspsrc user-pw=*** ! decodebin"),
        ("rtspsrc user-pw=x\\ y&z#a'b ! decodebin", "rtspsrc user-pw=*** ! decodebin"),
        ("rtspsrc user-pw=\\ y ! decodebin", "rtspsrc user-pw=*** ! decodebin"),
        ("rtspsrc user_pw=(string)'x y' proxy-id=z ! a", "rtspsrc user_pw=*** proxy-id=*** ! a"),
        ("uridecodebin source::USER-PW=x ! a", "uridecodebin source::USER-PW=*** ! a"),
        ('s extra-headers="h,Authorization=(string)\\"Basic abc\\"" ! a',
         's extra-headers="h,Authorization=*** ! a'),
        ("a location='rtsp://a:b c@d/e' ! f", "a location='rtsp://***@d/e' ! f"),
        ("a location=rtsp://a:b\\ c@d/e ! f", "a location=rtsp://***@d/e ! f"),
        ("width = 640 ! framerate=30/1", "width = 640 ! framerate=30/1"),
        ("http://c/i?u=admin&p=x&size=4", "http://c/i?u=***&p=***&size=4"),
        ("http://c/i?admin:x", "http://c/i?***"),
        ("http://c/i?admin%3Ax&size=4", "http://c/i?***&size=4"),
        ("http://c/i?%70assword=x&loginpas=y", "http://c/i?%70assword=***&loginpas=***"),
        ("http://c/,rtsp://a:b@d/", "http://c/,rtsp://***@d/"),
        ("Authorization: Basic abc= from c", "Authorization: *** from c"),
        ('{"url": "http://c/", "password": "x y"}', '{"url": "http://c/", "password": ***'),
        ("test-pattern:640x480@5", "test-pattern:640x480@5"),
        ("/dev/v4l/by-id/usb-cam:640x480@5", "/dev/v4l/by-id/usb-cam:640x480@5"),
        ("/var/images/*.jpg", "/var/images/*.jpg"),
        ("camera:0", "camera:0"),
    ],
)  # fmt: skip
def test_credentials_are_hidden_and_the_rest_stays(text: str, expected: str) -> None:
    assert redacted(text) == expected


def test_one_address_may_wrongly_contain_spaces_and_quotes() -> None:
    assert redacted_url('rtsp://admin:hun ter"2@camera/') == "rtsp://***@camera/"


@pytest.mark.parametrize(
    "value", ["=S3cr3T", " = S3cr3T", "='S3 cr3T'", "=S3\\ cr3T", '="S3 cr3T"']
)
def test_the_name_of_a_pipeline_hides_its_password(value: str) -> None:
    for rest in ("", " location=rtsp://camera/live", " ! decodebin"):
        (source,) = parse_sources(f"gstreamer:rtspsrc user-pw{value}{rest}")
        assert "cr3T" not in source.name


@pytest.mark.parametrize("query", ["p=S3cr3T", "u=a&p=S3cr3T", "admin:S3cr3T", "a:S3cr3T&x=1"])
def test_the_name_of_an_address_hides_the_password_in_its_query(query: str) -> None:
    for scheme in ("rtsp", "snapshot+http"):
        (source,) = parse_sources(f"{scheme}://camera/still?{query}")
        assert "cr3T" not in source.name


def test_long_text_is_cut_before_the_word_that_the_cut_would_split() -> None:
    text = "x " * (MAX_CHARACTERS // 2 - 5) + "admin:cr3T@camera.example"
    assert redacted(text) == "x " * (MAX_CHARACTERS // 2 - 6) + "x…"
    assert len(one_line("key." * 16_384)) <= 300


SECRETS = st.text("abcXYZ019/@:?#%&=+!*'\",;~ ", min_size=1).map(lambda text: f"S3{text}cr3T")


@given(password=SECRETS)
def test_no_password_of_any_characters_survives(password: str) -> None:
    assert "cr3T" not in redacted_url(f"rtsp://admin:{password}@camera:554/stream")
