"""What reaches the page: joined, bounded, and without trust in any message."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from mli.view.board import MOST_CORES, Board
from mli.view.core_view import MOST_REASONS, MOST_ROWS, MOST_SAMPLES
from mli.view.reasons import reason
from mli.view.series import POINTS, Series

from .conftest import CUP, TABLE, Viewed


@pytest.fixture
def viewed(photographs: Path) -> Viewed:
    """A board whose page nobody opens."""
    return Viewed(photographs)


@pytest.mark.parametrize("sample_first", [True, False])
def test_boxes_join_a_sample_whichever_comes_first(viewed: Viewed, sample_first: bool) -> None:
    if sample_first:
        viewed.keep(4, "LC50", [0.4], "coffee.jpg")
    viewed.predict(4, CUP, TABLE)
    if not sample_first:
        viewed.keep(4, "LC50", [0.4], "coffee.jpg")
    [sample] = viewed.board.snapshot(None)["core"]["samples"]
    assert [mark["text"] for mark in sample["marks"]] == ["cup 0.96", "dining table 0.77"]
    assert sample["source"] == "coffee.jpg"


def test_a_picture_brings_boxes_and_reasons_where_no_envelope_does(viewed: Viewed) -> None:
    viewed.keep(4, "LC50", [0.4], "coffee.jpg")
    uri = "s3://bucket/LC50/4.jpg"
    viewed.metadata[uri] = {
        "mli": "1",
        "source": '"camera:0"',
        "strategies": '[["LC50","LEAST_CONFIDENCE",0.41,0.5],["Mine","ENTROPY",1.25,1.0]]',
        "predictions": '[["cup",0.96,[0.1,0.2,0.3,0.4]],["\\u202e<b>",0.5],"no prediction",[1]]',
    }
    viewed.pictures.get(uri, 240)
    [sample] = viewed.board.snapshot(None)["core"]["samples"]
    assert [mark["text"] for mark in sample["marks"]] == ["cup 0.96", "\\u202e<b> 0.50"]
    assert sample["marks"][0]["box"] == (0.1, 0.2, 0.3, 0.4)
    assert sample["source"] == "camera:0"
    assert sample["reasons"] == ["LC50: best score 0.41 ≤ 0.5", "Mine: entropy 1.25 > 1"]
    viewed.predict(4, CUP, TABLE)
    [sample] = viewed.board.snapshot(None)["core"]["samples"]
    assert len(sample["marks"]) == 2, "an envelope has all predictions"
    assert sample["source"] == "coffee.jpg"


@pytest.mark.parametrize("about", [{}, {"frame": "1"}, {"captured-at": "2026-11-22T16:33:24Z"}])
def test_samples_that_do_not_say_their_frame_are_not_taken_for_one(
    viewed: Viewed, about: dict[str, str]
) -> None:
    viewed.board.receive("mli/predictions/Demo", b'{"frame": {"id": 1}, "predictions": []}')
    for number in range(3):
        message = {"source-ref": f"s3://b/{number}", "metadata": {"core": "Demo", **about}}
        viewed.board.receive("feedback/message/prediction", json.dumps(message).encode())
    samples = viewed.board.snapshot(None)["core"]["samples"]
    assert [one["marks"] for one in samples] == [None, None, None]


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"predictions": "[1]"},
        {"mli": "1"},
        {"mli": "1", "predictions": "[" * 9_000, "strategies": '{"a": 1}', "size": "٣x4"},
        {"mli": "9", "predictions": '[["a", "x"], ["b", 1e999]]', "predictions-left-out": "-1e9"},
    ],
)
def test_any_metadata_is_survived(viewed: Viewed, metadata: dict[str, str]) -> None:
    viewed.keep(4, "LC50", [0.4], "coffee.jpg")
    viewed.metadata["s3://bucket/LC50/4.jpg"] = metadata
    viewed.pictures.get("s3://bucket/LC50/4.jpg", 240)
    [sample] = viewed.board.snapshot(None)["core"]["samples"]
    assert not sample["marks"]


def test_a_restarted_core_s_frames_are_other_frames(viewed: Viewed) -> None:
    viewed.predict(1, CUP)
    viewed.keep(1, "LC50", [0.4], "coffee.jpg")
    later = {
        "source-ref": "s3://bucket/x.jpg",
        "model-prediction": [0.1],
        "config-id": "LC50",
        "metadata": {"core": "Demo", "frame": "1", "captured-at": "2030-01-01T00:00:00.000+00:00"},
    }
    viewed.board.receive("feedback/message/prediction", json.dumps(later).encode())
    new, old = viewed.board.snapshot(None)["core"]["samples"]
    assert (new["marks"], len(old["marks"])) == (None, 1)


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="Linux has this clock")
def test_what_came_before_the_computer_slept_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monotonic, slept = time.clock_gettime, 0.0

    def now(which: int) -> float:
        return monotonic(which) + (slept if which == time.CLOCK_BOOTTIME else 0.0)

    monkeypatch.setattr(time, "clock_gettime", now)
    board = Board()
    board.receive("mli/predictions/Demo", b"[]")
    slept = 30_000.0
    assert board.snapshot(None)["core"]["age"] == pytest.approx(30_000.0, abs=5)


def test_everything_is_bounded(viewed: Viewed) -> None:
    for frame in range(2_000):
        viewed.offset += 1
        viewed.predict(frame, CUP)
        viewed.keep(frame, "LC50", [0.4], "coffee.jpg")
        viewed.objects.clear()
    viewed.telemetry()
    core = viewed.board.snapshot(None)["core"]
    assert core["count"] == 2_000
    assert len(core["rows"]) == MOST_ROWS
    assert len(core["samples"]) == MOST_SAMPLES
    assert all(len(points) <= POINTS for points in core["series"].values())
    assert len(json.dumps(viewed.board.snapshot(None))) < 100_000
    assert core["rows"][0]["n"] == 2_000


@pytest.mark.parametrize("rate", [2, 400, 2_500])
def test_rate_is_right_at_any_rate(rate: int) -> None:
    seconds = 0.0
    board = Board(clock=lambda: seconds)
    for number in range(12 * rate):
        seconds = number / rate
        board.receive("mli/predictions/Demo", b"[]")
    assert board.snapshot(None)["core"]["perSecond"] == pytest.approx(rate, rel=0.1)


def test_reasons_of_one_sample_are_bounded(viewed: Viewed) -> None:
    for number in range(2_000):
        message = {"source-ref": "s3://bucket/1.jpg", "config-id": f"C{number}"}
        message |= {"metadata": {"core": "Demo", "frame": "1"}}  # type: ignore[dict-item]
        viewed.board.receive("feedback/message/prediction", json.dumps(message).encode())
    [sample] = viewed.board.snapshot(None)["core"]["samples"]
    assert len(sample["reasons"]) == MOST_REASONS


@pytest.mark.parametrize(("pause", "silent"), [(0.2, 15), (30, 60), (3600, 150)])
def test_silence_is_measured_by_the_pauses_of_a_core(
    viewed: Viewed, pause: float, silent: float
) -> None:
    for frame in range(3):
        viewed.predict(frame, CUP)
        viewed.offset += pause
    assert viewed.board.snapshot(None)["core"]["silentAfter"] == pytest.approx(silent, abs=1)


def test_cores_beyond_the_limit_are_counted() -> None:
    board = Board()
    for number in range(MOST_CORES + 5):
        board.receive(f"mli/predictions/C{number}", b"[]")
    assert len(board.snapshot(None)["cores"]) == MOST_CORES
    assert board.snapshot(None)["leftOut"] == 5
    assert board.snapshot("C7")["core"]["name"] == "C7"


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"null", b"5", b"{}", b"[[]]", b'{"frame": 5, "latencyMs": []}', b"[" * 9000,
     b'{"frame": {"id": {}, "source": 7}, "timestamp": [], "predictions": [{}]}',
     b'{"publish": 3, "health": {"faults": 4}, "sources": [1], "latencyMs": {"inference": 1}}',
     b'{"source-ref": 5, "metadata": {"core": "Demo"}}',
     b'{"source-ref": "s3://a/b", "metadata": {"core": "Demo", "frame": []}, "config-id": 4}',
     b'{"source-ref": "file:///etc/passwd", "metadata": {"core": "Demo"}}'],
)  # fmt: skip
def test_any_payload_is_survived(viewed: Viewed, payload: bytes) -> None:
    for topic in ("mli/predictions/Demo", "mli/telemetry/Demo", "feedback/message/prediction", "x"):
        viewed.board.receive(topic, payload)
    viewed.predict(1, CUP)
    assert viewed.board.snapshot(None)["core"]["rows"][0]["found"][0]["text"] == "cup 0.96"


@pytest.mark.parametrize("number", ["1e308", "-1e308", '"1e308"', "1e16", '"nan"', '"-inf"'])
def test_numbers_beyond_measure_leave_a_state_that_a_browser_reads(
    viewed: Viewed, number: str
) -> None:
    """JSON has no infinity, which sums and means of numbers near the largest would be."""
    stages = ", ".join(f'"{one}": {number}' for one in ("capture", "preprocess", "inference"))
    box = f'"box": [{number}, {number}, 1, 1], "keypoints": [[{number}, 0, 1]]'
    envelope = f"""{{"latencyMs": {{{stages}}}, "frame": {{"id": 1, "source": "a"}},
        "predictions": [{{"label": "cup", "score": 0.9, {box}}}]}}"""
    telemetry = f'{{"memoryBytes": {number}, "frames": {{"perSecond": {number}}}}}'
    for _ in range(3):
        viewed.board.receive("mli/predictions/Demo", envelope.encode())
        viewed.board.receive("mli/telemetry/Demo", telemetry.encode())
    core = viewed.board.snapshot(None)["core"]
    json.dumps(core, allow_nan=False)
    assert core["series"] == {}, "a chart would have a scale on which nothing else is seen"
    assert [one["box"] for one in core["rows"][0]["found"]] == [None]


@pytest.mark.parametrize(
    "payload",
    [b"", b"\n", b"\nx", b"{}\n", b"[]\nx", b"null\nx", b'{"frame": 5, "predictions": {}}\nx',
     b'{"frame": {"id": [], "source": 4}, "timestamp": 7, "predictions": [[], [1, 2], 5]}\nx'],
)  # fmt: skip
def test_any_preview_is_survived(viewed: Viewed, payload: bytes) -> None:
    viewed.board.receive("mli/preview/Demo", payload)
    assert all(one["marks"] == [] for one in viewed.board.snapshot(None)["core"]["live"])


def test_live_pictures_are_one_for_each_camera(viewed: Viewed) -> None:
    viewed.preview(1, CUP)
    viewed.preview(2, CUP, source="chelsea.jpg")
    [shown] = viewed.board.snapshot(None)["core"]["live"]
    assert shown["frame"] == "2"
    viewed.telemetry(sources=[{"name": name} for name in ("coffee.jpg", "chelsea.jpg")])
    viewed.preview(3, CUP)
    viewed.preview(4, CUP, source="chelsea.jpg")
    viewed.preview(5, CUP)
    shown = viewed.board.snapshot(None)["core"]["live"]
    assert sorted(one["frame"] for one in shown) == ["4", "5"], "2 was of a camera not yet known"
    assert viewed.board.live_picture(shown[0]["id"]) is not None
    viewed.telemetry(sources=[{"name": name} for name in ("coffee.jpg", "rocket.jpg")])
    [shown] = viewed.board.snapshot(None)["core"]["live"]
    assert shown["frame"] == "5", "the other camera is gone"


def test_a_sample_is_the_latest_of_one_source(viewed: Viewed) -> None:
    viewed.keep(4, "LC50", [0.4], "coffee.jpg")
    viewed.predict(4, CUP)
    viewed.telemetry(sources=[{"name": name} for name in ("coffee.jpg", "chelsea.jpg")])
    for frame, source in ((5, "chelsea.jpg"), (6, "coffee.jpg")):
        viewed.keep(frame, "LC50", [0.4], source)
        viewed.predict(frame, CUP, source=source)
    shown = viewed.board.snapshot(None)["core"]["latest"]
    assert sorted(one["frame"] for one in shown) == ["5", "6"]


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 500, "\u202eevil", "a; reboot", "$(id)", "a/b"])
def test_what_is_not_a_core_s_name_has_no_page(name: str) -> None:
    """The page suggests commands with the name, which anyone may copy into a shell."""
    board = Board()
    board.receive(f"mli/predictions/{name}", b"[]")
    sample = {"source-ref": "s3://b/1", "metadata": {"core": name}}
    board.receive("feedback/message/prediction", json.dumps(sample).encode())
    assert board.snapshot(None)["cores"] == []


def test_only_objects_of_messages_can_be_asked_for(viewed: Viewed) -> None:
    viewed.keep(4, "LC50", [0.4], "coffee.jpg")
    [sample] = viewed.board.snapshot(None)["core"]["samples"]
    assert viewed.board.uri_of(sample["id"]) == "s3://bucket/LC50/4.jpg"
    assert viewed.board.uri_of(sample["id"] + 1) is None
    assert "s3://" not in json.dumps(viewed.board.snapshot(None))


def test_series_keeps_means_of_five_minutes() -> None:
    series = Series()
    for second in range(1_000):
        series.add(float(second), float(second % 2))
    points = series.points(1_000.0)
    assert len(points) <= POINTS
    assert points[0][0] <= 303
    assert 0.2 < points[5][1] < 0.8


def test_what_is_not_measured_any_more_has_no_chart(viewed: Viewed) -> None:
    viewed.telemetry()
    viewed.predict(1, CUP)
    assert "inference p50" in viewed.board.snapshot(None)["core"]["series"]
    viewed.offset = 310.0
    viewed.predict(2, CUP)
    shown = viewed.board.snapshot(None)["core"]["series"]
    assert shown.keys() == {"capture", "preprocess", "inference", "postprocess"}


def test_reason_without_a_configuration_is_its_id() -> None:
    assert reason(None, "LC50", [0.4]) == "LC50"
