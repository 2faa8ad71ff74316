"""Image files of every kind that users have, good and bad."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inference.errors import FrameError
from inference.images import decode
from inference.schema import ConfigurationError
from inference.sources import FileSource, Frame, NoFrameError

GRADIENT = np.dstack([np.tile(np.arange(64, dtype=np.uint8), (48, 1))] * 3)


def encoded(extension: str, image: Any = GRADIENT) -> bytes:
    ok, data = cv2.imencode(extension, image)
    assert ok
    return bytes(data.tobytes())


def read_all(source: FileSource) -> list[Frame | str]:
    found: list[Frame | str] = []
    for _ in range(100):
        try:
            frame = source.read()
        except FrameError as error:
            found.append(str(error))
            continue
        if frame is None:
            return found
        found.append(frame)
    raise AssertionError("the source does not end")


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".tiff", ".webp", ".ppm"])
def test_common_formats_are_read(extension: str) -> None:
    image = decode(encoded(extension), "x")
    assert image.shape == (48, 64, 3)
    assert np.abs(image.astype(int) - GRADIENT).max() < 8


def test_grey_gets_three_channels() -> None:
    image = decode(encoded(".png", GRADIENT[:, :, 0]), "x")
    np.testing.assert_array_equal(image, GRADIENT)


def test_sixteen_bits_become_eight() -> None:
    image = decode(encoded(".png", GRADIENT.astype(np.uint16) * 257), "x")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, GRADIENT)


def test_alpha_is_dropped() -> None:
    alpha = np.dstack([GRADIENT, np.full((48, 64), 9, np.uint8)])
    np.testing.assert_array_equal(decode(encoded(".png", alpha), "x"), GRADIENT)


def test_one_pixel_is_an_image() -> None:
    assert decode(encoded(".png", GRADIENT[:1, :1]), "x").shape == (1, 1, 3)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".tiff"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.97])
def test_truncated_data_is_refused_by_name(extension: str, part: float) -> None:
    image = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    data = encoded(extension, image)
    with pytest.raises(FrameError, match=r"^camera7: is not an image, or is damaged or truncated"):
        decode(data[: int(len(data) * part)], "camera7")


@pytest.mark.parametrize("data", [b"", b"hello, I am a text", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError, match=r"^x: "):
        decode(data, "x")


def test_an_image_that_would_fill_the_memory_is_refused() -> None:
    header = b"P6 40000 40000 255\n" + bytes(64)
    with pytest.raises(FrameError, match=r"^bomb: "):
        decode(header, "bomb")


def test_a_folder_is_read_in_order_of_names_and_once(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(encoded(".png"))
    (tmp_path / "sub.png").mkdir()
    frames = read_all(FileSource(str(tmp_path), repeat=False))
    assert [Path(frame.source).name for frame in frames if isinstance(frame, Frame)] == [
        "a.JPG",
        "b.png",
    ]


def test_a_frame_carries_its_file(tmp_path: Path) -> None:
    data = encoded(".png")
    (tmp_path / "a.png").write_bytes(data)
    frame = FileSource(str(tmp_path), repeat=False).read()
    assert frame is not None
    assert (frame.id, frame.data, frame.source) == (1, data, str(tmp_path / "a.png"))
    assert frame.capture_ms > 0


def test_a_bad_file_among_good_ones_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("not an image")
    (tmp_path / "b.png").write_bytes(encoded(".png"))
    fault, frame = read_all(FileSource(str(tmp_path), repeat=False))
    assert isinstance(fault, str)
    assert "a.jpg" in fault
    assert isinstance(frame, Frame)


def test_a_repeating_folder_notices_new_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    source = FileSource(str(tmp_path), repeat=True)
    assert source.read() is not None
    (tmp_path / "a.png").unlink()
    with pytest.raises(NoFrameError, match="has no images in it"):
        source.read()
    assert source.statuses()[0].state == "lost"
    (tmp_path / "b.png").write_bytes(encoded(".png"))
    frame = source.read()
    assert frame is not None
    assert frame.source.endswith("b.png")


def name(source: FileSource) -> str:
    frame = source.read()
    assert frame is not None
    return Path(frame.source).name


def test_new_and_changed_files_come_before_the_round_goes_on(tmp_path: Path) -> None:
    for letter in "cde":
        (tmp_path / f"{letter}.png").write_bytes(encoded(".png"))
    source = FileSource(str(tmp_path), repeat=True)
    assert name(source) == "c.png"
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    (tmp_path / "c.png").write_bytes(encoded(".png", GRADIENT[:9]))
    seen: list[str] = []
    while seen[-2:] != ["a.png", "c.png"]:
        seen.append(name(source))
        time.sleep(0.02)
        assert len(seen) < 100
    assert set(seen[:-2]) <= {"c.png", "d.png", "e.png"}


def test_a_watched_folder_may_be_empty_and_gives_each_file_once(tmp_path: Path) -> None:
    source = FileSource(str(tmp_path), repeat=True, watch=True)
    with pytest.raises(NoFrameError):
        source.read()
    for letter in "ba":
        (tmp_path / f"{letter}.png").write_bytes(encoded(".png"))
    assert [name(source), name(source)] == ["a.png", "b.png"]
    with pytest.raises(NoFrameError):
        source.read()
    assert (source.statuses()[0].state, source.statuses()[0].frames) == ("streaming", 2)


def test_a_file_that_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    source = FileSource(str(tmp_path), repeat=True, watch=True)
    data = encoded(".png", np.random.default_rng(1).integers(0, 256, (99, 99, 3), np.uint8))

    def write() -> None:
        with (tmp_path / "a.png").open("wb") as file:
            for start in range(0, len(data), len(data) // 5):
                file.write(data[start : start + len(data) // 5])
                file.flush()
                time.sleep(0.15)

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(9):
        try:
            frame = source.read()
        except NoFrameError:
            continue
        break
    thread.join()
    assert frame is not None
    assert frame.data == data
    assert source.statuses()[0].failed == 0


def test_a_closed_folder_yields_no_more(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    source = FileSource(str(tmp_path), repeat=True)
    source.close()
    assert source.read() is None
    assert source.statuses()[0].state == "stopped"


def test_a_glob_and_a_single_file_work(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.bmp"):
        (tmp_path / name).write_bytes(encoded(".png"))
    assert len(read_all(FileSource(str(tmp_path / "*.png"), repeat=False))) == 2
    assert len(read_all(FileSource(str(tmp_path / "c.bmp"), repeat=False))) == 1


def test_static_is_the_sample_photographs() -> None:
    frames = read_all(FileSource("static", repeat=False))
    names = [Path(frame.source).stem for frame in frames if isinstance(frame, Frame)]
    assert names == ["astronaut", "camera", "chelsea", "coffee"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("", "has no images in it"), ("*.jpg", "matches no file"), ("none", "is neither a folder")],
)
def test_a_source_of_nothing_is_a_fault_of_the_configuration(
    tmp_path: Path, pattern: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"imageSource=.*{message}"):
        FileSource(str(tmp_path / pattern), repeat=True)
