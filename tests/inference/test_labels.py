"""Labels as editors save them, in profiles and for the commands that read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.model.profiles.labels import read_labels
from inference.model.profiles.profile import load_profile
from mli.compile.given_profile import read_labels as labels_for_compiling

from .conftest import WriteProfile

EDITORS = {
    "Notepad": "\ufeffperson\r\ntraffic light\r\nétoile\r\n".encode(),
    "UTF-16, little endian": "\ufeffperson\r\ntraffic light\r\nétoile\r\n".encode("utf-16-le"),
    "UTF-16, big endian": "\ufeffperson\ntraffic light\nétoile".encode("utf-16-be"),
    "blank lines at the end": "person\ntraffic light\nétoile\n\n \n".encode(),
    "old ends of lines": "person\rtraffic light\rétoile\r".encode(),
    "copied from a web page": "person\u2028\ntraffic\u2028light\nétoile\x0c\n".encode(),
    "blanks in the lines": " person\t\n traffic light \nétoile".encode(),
}


@pytest.mark.parametrize("content", EDITORS.values(), ids=EDITORS)
def test_labels_are_the_words_that_an_editor_shows(
    tmp_path: Path, write_profile: WriteProfile, content: bytes
) -> None:
    expected = ["person", "traffic light", "étoile"]
    profile = write_profile()
    file = tmp_path / "labels.txt"
    file.write_bytes(content)
    assert read_labels(file) == expected
    assert load_profile(profile).labels == tuple(expected)
    assert labels_for_compiling(str(file), None, 3, background=False) == expected


def test_a_profile_may_begin_with_a_byte_order_mark(write_profile: WriteProfile) -> None:
    path = write_profile()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_profile(path).name == "test-model"
