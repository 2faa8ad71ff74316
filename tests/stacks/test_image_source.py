"""``imageSource`` in a context: what no core could open is refused, with what was meant."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import schema
from inference.sources.specification import parse_sources
from stacks.context import image_source
from stacks.generations import read_settings
from tests.stacks.synthesis import context


def correction_of(folder: Path, source: object) -> str:
    with pytest.raises(schema.ConfigurationError) as caught:
        read_settings(context(folder, imageSource=source))
    (fault,) = caught.value.faults
    assert fault.key == "imageSource"
    return fault.example


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        *(("camera0", "camera:0"), ("camera-1", "camera:1"), ("Camera:0", "camera:0")),
        *(("CAMERA:0:1280x720", "camera:0:1280x720"), ("usb:0", "camera:0"), ("0", "camera:0")),
        *(("video2", "camera:2"), ("dev/video0", "camera:0"), ("webcam", "camera:0")),
        *(("csi0", "csi:0"), ("CSI:1", "csi:1"), ("camera", "camera:0"), ("v4l2:0", "camera:0")),
        *(("rtsp:/cam/1", "rtsp://cam/1"), ("RTSP://cam/1", "rtsp://cam/1")),
        *(("http:cam", "http://cam"), ("C:\\photos", "/photos"), ("\\\\nas\\photos", "/photos")),
        *(("photos", "/photos"), ("./photos/*.jpg", "'/photos/*.jpg'"), ("~/x", "/x")),
        *(("../../x", "/x"), ("$HOME/x", "/x"), ("drive.mp4", "/drive.mp4")),
        *(("watch:photos", "watch:/photos"), ("file:/x", "/x"), ("file:///x", "/x")),
        *(("static/", "static"), ("Static", "static"), ("statik", "static")),
        ("test_pattern", "test-pattern"),
        ("v4l2src!videoconvert", "'gstreamer:v4l2src ! videoconvert'"),
        ("csi:0:7x7", "csi:0:1280x720@15"),
    ],
)
def test_source_that_fails_on_the_core_is_refused_with_what_was_meant(
    tmp_path: Path, source: str, meant: str
) -> None:
    assert correction_of(tmp_path, source) == f"-c imageSource={meant}"
    corrected = meant.strip("'")
    assert read_settings(context(tmp_path, imageSource=corrected)).inference.image_source


def test_one_of_several_sources_is_named(tmp_path: Path) -> None:
    assert correction_of(tmp_path, ["camera:0", "camera1"]) == "-c imageSource=camera:1"
    text = json.dumps(["/photos", "photos"])
    assert correction_of(tmp_path, text) == "-c imageSource=/photos"


@pytest.mark.parametrize(
    "source",
    [
        *("static", "test-pattern", "camera:0", "/dev/video0", "csi:0", "/photos", "/a b/*.jpg"),
        *("watch:/photos", "/drive.mp4", "rtsp://cam/1", "snapshot+http://cam/x.jpg"),
        *("v4l2src ! videoconvert", '["camera:0", "static"]'),
    ],
)
def test_source_that_a_core_can_open_passes(tmp_path: Path, source: str) -> None:
    assert read_settings(context(tmp_path, imageSource=source)).inference.image_source == source


def test_password_is_in_no_correction(tmp_path: Path) -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        read_settings(context(tmp_path, imageSource="RTSP://user:hunter2@cam/1"))
    assert "hunter2" not in str(caught.value)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_is_a_source_of_the_device_or_a_fault(text: str) -> None:
    try:
        accepted = image_source.parse(text)
    except schema.ConfigurationError as error:
        assert error.faults
    else:
        assert parse_sources(accepted)
