"""Folders, globs and files that come, go, change, or are not files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from edge_functions import CODE_FOLDER
from inference.errors import FrameError
from inference.schema import ConfigurationError
from inference.sources import FileSource, Frame, NoFrameError, files
from inference.sources.listing import list_files

from .pictures import GRADIENT, encoded


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


def test_a_watched_file_that_changes_before_its_turn_is_given_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LOOK_SECONDS", 0)
    monkeypatch.setattr(files, "_LOOK_SHARE", 0)
    for letter in "abcd":
        (tmp_path / f"{letter}.png").write_bytes(encoded(".png"))
    source = FileSource(str(tmp_path), repeat=True, watch=True)
    seen = [name(source)]
    changed = encoded(".png", GRADIENT[:8])
    (tmp_path / "d.png").write_bytes(changed)
    (tmp_path / "e.png").write_bytes(changed)
    seen += [name(source)]  # as it looks, both have changed
    (tmp_path / "e.png").write_bytes(encoded(".png"))
    frames = [frame for frame in (source.read() for _ in range(3)) if frame is not None]
    seen += [Path(frame.source).name for frame in frames]
    assert sorted(seen) == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    assert frames[-1].data == changed
    with pytest.raises(NoFrameError):
        source.read()


def test_a_watched_folder_that_is_missing_is_lost_until_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    source = FileSource(str(folder), repeat=True, watch=True)
    states = []
    for change in (folder.exists, folder.mkdir, folder.rmdir, folder.mkdir):
        change()
        with pytest.raises(NoFrameError):
            source.read()
        states.append(source.statuses()[0].state)
    assert states == ["lost", "streaming", "lost", "streaming"]


AS_ANOTHER_USER = """
import os, sys
from inference.sources import open_source
import cv2, inference.sources.cameras.pyav
os.setuid(65534)
for text in sys.argv[1:]:
    try:
        source = open_source(text, repeat=True)
        try:
            source.read()
        except Exception:
            print(source.statuses()[0].reason)
        source.close()
    except Exception as error:
        print(error)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, who can be another user")
def test_what_the_user_may_not_read_is_said_to_be_that() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, closed = Path(name), Path(name, "closed")
        folder.chmod(0o755)
        closed.mkdir(mode=0o700)
        (folder / "a.mp4").touch(0o600)
        (closed / "a.mp4").touch()
        (closed / "a.jpg").touch()
        sources = (folder / "a.mp4", closed / "a.mp4", closed / "a.jpg", closed / "*.jpg", closed)
        command = [sys.executable, "-c", AS_ANOTHER_USER, *map(str, sources), f"watch:{closed}"]
        ran = subprocess.run(command, cwd=CODE_FOLDER, capture_output=True, text=True, check=True)
        answers = ran.stdout.splitlines()
    assert len(answers) == 6
    for answer in answers:
        assert "this user; let the component's user read it" in answer


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


def test_what_is_no_regular_file_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "null.png").symlink_to("/dev/null")
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    for pattern in (tmp_path, tmp_path / "*.png", tmp_path / "**" / "*.png"):
        frames = read_all(FileSource(str(pattern), repeat=False))
        names = [Path(frame.source).name for frame in frames if isinstance(frame, Frame)]
        assert names == ["a.png", "b.png"]
    with pytest.raises(ConfigurationError, match="is neither a folder"):
        FileSource(str(tmp_path / "pipe.png"), repeat=True)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    source = FileSource(str(tmp_path), repeat=False)
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(FrameError, match=r"a\.png: cannot be read: it is not a regular file"):
        source.read()


def test_folders_that_link_to_each_other_are_looked_through_once(tmp_path: Path) -> None:
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(encoded(".png"))
        for loop in range(4):
            (tmp_path / name / f"loop{loop}").symlink_to(tmp_path)
    started = time.monotonic()
    frames = read_all(FileSource(str(tmp_path / "**" / "*.png"), repeat=False))
    assert len(frames) == 2
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("**/*.png", {"a.png", "in/a.png", "in/deep er/a.png"}),
        ("**/a*", {"a.png", "a.txt", "in/a.png", "in/deep er/a.png"}),
        ("in/**/a.png", {"in/a.png", "in/deep er/a.png"}),
        ("i?/**/d*/a.png", {"in/deep er/a.png"}),
        ("in/*er/*.png", {"in/deep er/a.png"}),
        ("in/.hidden/*.png", {"in/.hidden/a.png"}),
        ("[ab].png", {"a.png"}),
    ],
)
def test_globs_reach_as_deep_as_they_say(tmp_path: Path, pattern: str, expected: set[str]) -> None:
    for name in ("a.png", "a.txt", "in/a.png", "in/deep er/a.png", "in/.hidden/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = list_files(f"{tmp_path}/{pattern}")
    assert {str(Path(path).relative_to(tmp_path)) for path in found} == expected


def test_names_that_look_like_globs_are_read(tmp_path: Path) -> None:
    (tmp_path / "[1]").mkdir()
    (tmp_path / "[1]" / "a[2].png").write_bytes(encoded(".png"))
    assert len(read_all(FileSource(str(tmp_path / "[1]"), repeat=False))) == 1
    assert len(read_all(FileSource(str(tmp_path / "[1]" / "a[2].png"), repeat=False))) == 1


def test_a_relative_path_is_one_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encoded(".png"))
    monkeypatch.chdir(tmp_path)
    for pattern in ("in", "./in", "in/*.png", "**/*.png", "*/a.png"):
        assert len(read_all(FileSource(pattern, repeat=False))) == 1, pattern


def test_a_name_of_any_bytes_is_read_and_shown_in_one_line(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/a\xff\nb\xc3\xb6.png"
    with open(path, "wb") as file:  # noqa: PTH123 (bytes)
        file.write(encoded(".png"))
    frame = FileSource(str(tmp_path), repeat=False).read()
    assert frame is not None
    assert frame.source == f"{tmp_path}/a\\xff\\nbö.png"


def test_a_file_larger_than_any_image_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FrameError, match="it has 1099511627776 bytes, more than 134217728"):
        FileSource(str(tmp_path), repeat=False).read()


def test_a_known_file_that_is_being_replaced_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    source = FileSource(str(tmp_path), repeat=True)
    assert name(source) == "a.png"
    (tmp_path / "a.png").write_bytes(encoded(".png")[:100])
    with pytest.raises(NoFrameError, match="is being written"):
        source.poll()
    assert source.statuses()[0].failed == 0
    (tmp_path / "a.png").write_bytes(encoded(".png", GRADIENT[:9]))
    frame = source.read()
    assert frame is not None
    assert frame.image.shape[0] == 9


def test_a_folder_may_be_removed_and_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(encoded(".png"))
    source = FileSource(str(folder), repeat=True)
    assert name(source) == "a.png"
    shutil.rmtree(folder)
    with pytest.raises(NoFrameError):
        source.read()
    assert source.statuses()[0].state == "lost"
    folder.mkdir()
    (folder / "b.png").write_bytes(encoded(".png"))
    assert name(source) == "b.png"
    assert source.statuses()[0].state == "streaming"


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


def test_a_small_picture_takes_little_memory(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    source = FileSource(str(tmp_path), repeat=False)
    tracemalloc.start()
    try:
        assert source.read() is not None
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_too_little_memory_for_a_picture_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: str) -> bytes:
        if path.endswith("a.png"):
            raise MemoryError
        return Path(path).read_bytes()

    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encoded(".png"))
    monkeypatch.setattr(files, "_read", read)
    fault, frame = read_all(FileSource(str(tmp_path), repeat=False))
    assert str(fault).endswith("a.png: cannot be read: out of memory")
    assert isinstance(frame, Frame)
