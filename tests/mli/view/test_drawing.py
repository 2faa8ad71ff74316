"""Boxes, labels and sheets, looked at pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.pipeline.results import FrameResult
from inference.sources.frame import Frame
from inference.vision.scores import Scores
from mli.view.annotating import Annotator, photographs_of, write_sheet
from mli.view.drawing import Mark, annotated, contact_sheet, jpeg
from mli.view.predictions import marks_of, number_of

WHOLE = (0.1, 0.1, 0.9, 0.9)


def painted(*marks: Mark, size: tuple[int, int] = (400, 300)) -> tuple[np.ndarray, Image.Image]:
    picture = annotated(Image.new("RGB", size, "black"), marks)
    return np.asarray(picture), picture


def rgb(mark: Mark) -> list[int]:
    return [int(mark.colour[i : i + 2], 16) for i in (1, 3, 5)]


def test_sides_of_a_box_are_where_its_fractions_say() -> None:
    mark = Mark("cup", 0.9, (0.25, 0.2, 0.75, 0.8))
    pixels, _ = painted(mark)
    for x, y in ((100, 200), (300, 150), (200, 240)):
        assert pixels[y, x].tolist() == rgb(mark), (x, y)
    assert pixels[150, 200].tolist() == [0, 0, 0]
    assert pixels[150, 95].tolist() == [0, 0, 0]


def test_a_small_box_is_painted_over_a_large_one() -> None:
    small, large = Mark("cat", 0.5, (0.1, 0.3, 0.3, 0.6)), Mark("dog", 0.5, WHOLE)
    assert small.colour != large.colour
    pixels, _ = painted(small, large)
    assert pixels[150, 40].tolist() == rgb(small)


def test_label_stays_inside_the_picture_and_covers_no_other() -> None:
    marks = [Mark(f"label {i}", 0.5, (0.97, 0.0, 1.0, 0.05)) for i in range(3)]
    pixels, _ = painted(*marks)
    colours = {tuple(rgb(mark)) for mark in marks}
    rows = [{tuple(p) for p in row} for row in pixels.tolist()]
    assert all(any(colour in row for row in rows) for colour in colours)
    dark_rows = [i for i, row in enumerate(pixels[:, 330]) if row.tolist() != [0, 0, 0]]
    assert len(dark_rows) > 40, "three labels stand one below the other"


def test_score_of_a_long_label_is_painted() -> None:
    """In a picture that is too narrow for the label, its end differs where the scores differ."""
    marks = [Mark("n03983396 pop bottle" * 2, score) for score in (0.11, 0.88)]
    one, other = (painted(mark, size=(150, 300))[0] for mark in marks)
    assert (one != other).any()


def test_of_a_crowd_the_best_has_its_whole_label() -> None:
    best = Mark("person", 0.99, (0.3, 0.3, 0.6, 0.6))
    crowd = [Mark("dog", n / 100, (0.3, 0.3, 0.5, 0.5)) for n in range(60)]
    alone, full = painted(best)[0], painted(*crowd, best)[0]
    label = np.s_[93:105, 124:190]
    assert (alone[label] == full[label]).all()


ODD = [(0.9, 0.9, 0.1, 0.1), (-5.0, -5.0, 9.0, 9.0), (0.5, 0.5, 0.5, 0.5)]


@pytest.mark.parametrize("box", ODD)
def test_boxes_outside_or_reversed_are_drawn_inside(box: tuple[float, float, float, float]) -> None:
    pixels, _ = painted(Mark("odd", 0.5, box))
    assert pixels.any()


def test_hostile_and_foreign_labels_are_drawn_short() -> None:
    hostile = ["<script>" * 2000, "\u202eevil\x1b]0;x\x07", "größe – кошка", "\ud800", ""]
    for label in hostile:
        mark = Mark(label, 0.5, WHOLE)
        assert len(mark.text) < 400
        assert mark.text.isprintable()
        assert painted(mark)[0].any()


def test_keypoints_below_the_threshold_are_not_drawn() -> None:
    seen, hidden = (0.5, 0.5, 0.9), (0.8, 0.5, 0.1)
    pixels, _ = painted(Mark("person", 0.9, WHOLE, [seen, hidden]))
    assert pixels[150, 200].any()
    assert not pixels[150, 320].any()


def test_image_itself_is_not_changed() -> None:
    image = Image.new("RGB", (50, 50))
    annotated(image, [Mark("cup", 0.9, WHOLE)])
    assert image.getcolors() == [(2500, (0, 0, 0))]


def test_sheet_has_a_place_for_every_picture() -> None:
    pictures = [(str(i), Image.new("RGB", (600, 400), "red")) for i in range(5)]
    sheet = np.asarray(contact_sheet(pictures))
    assert sheet.shape[1] < 1100
    assert (sheet == [255, 0, 0]).all(axis=2).sum() == 5 * 480 * 320


def test_marks_of_both_forms_are_equal() -> None:
    in_list = [{"confidence": "0.5", "prediction": "cup", "box": [0, 0, 1, 1]}]
    envelope = {"predictions": [{"score": 0.5, "label": "cup", "box": [0, 0, 1, 1]}]}
    assert marks_of(in_list) == marks_of(envelope) == [Mark("cup", 0.5, (0, 0, 1, 1), [])]


@pytest.mark.parametrize(
    "message",
    [None, 5, "x", {}, {"predictions": 3}, [5], [{"label": 3, "score": 1}], [{"label": "a"}],
     [{"label": "a", "score": "NaN"}], [{"label": "a", "score": True}]],
)  # fmt: skip
def test_what_is_no_prediction_has_no_marks(message: object) -> None:
    assert marks_of(message) == []


def test_broken_boxes_and_points_are_left_out_and_the_label_stays() -> None:
    broken = {"label": "a", "score": 1, "box": [0, "x", 1, 1], "keypoints": [[1, 2], [0, 0, 1]]}
    assert marks_of([broken]) == [Mark("a", 1.0, None, [(0.0, 0.0, 1.0)])]
    assert number_of(10**400) is None


def test_envelope_names_its_photograph_and_list_counts(photographs: Path, tmp_path: Path) -> None:
    files = sorted(photographs.glob("*.jpg"))
    envelope = {"frame": {"source": "/a/coffee.jpg"}, "predictions": []}
    assert [path.name for path in photographs_of([envelope], files)] == ["coffee.jpg"]
    assert photographs_of([{"frame": {"source": "other.jpg"}}, {}], files) == {}
    found = photographs_of([[1], [2], [3], [4], [5]], files)
    assert list(found.values()) == [[5], [2], [3], [4]]
    write_sheet(tmp_path / "new" / "sheet.jpg", [(p.name, p, m) for p, m in found.items()])
    with Image.open(tmp_path / "new" / "sheet.jpg") as sheet:
        assert sheet.format == "JPEG"


@pytest.mark.parametrize("data", [None, b"what Pillow cannot read"])
def test_frame_without_a_readable_file_is_painted_as_decoded(
    tmp_path: Path, data: bytes | None
) -> None:
    assert annotated_size(tmp_path, data) == (30, 20)


def test_frame_that_was_decoded_at_a_fraction_is_painted_whole(tmp_path: Path) -> None:
    assert annotated_size(tmp_path, jpeg(Image.new("RGB", (120, 80)))) == (120, 80)


def annotated_size(folder: Path, data: bytes | None) -> tuple[int, int]:
    image = np.zeros((20, 30, 3), np.uint8)
    frame = Frame(1, "a/b c.jpg", image, data, 0.0, 1.0, source_size=(120, 80))
    result = FrameResult(1, "", 120, 80, 0.0, [], {}, lambda: Scores((), (), False))
    Annotator(folder)(frame, result)
    with Image.open(folder / "000001-b-c.jpg") as written:
        return written.size
