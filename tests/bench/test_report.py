"""The table of `make bench`, its file, and the comparison of two runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from bench import plot, report, sections
from bench.__main__ import main
from bench.ratio import Ratio, ratio
from bench.report import Row, at_least, at_most


def row(name: str, *values: float, target: report.Target | None = None) -> Row:
    median, low, high = values
    return Row("frames", name, Ratio(median, low, high), "12 ms", target)


def test_a_ratio_of_rates_is_the_inverse_of_one_of_times() -> None:
    assert ratio([(1, 2), (3, 4), (1, 4)]) == Ratio(0.5, 0.25, 0.75)
    assert ratio([(1, 2), (3, 4), (1, 4)]).inverse == Ratio(2, 1 / 0.75, 4)


def test_a_target_says_whether_the_median_meets_it() -> None:
    assert row("rate", 0.95, 0.5, 1, target=at_least(0.95)).verdict == "≥ 0.95 met"
    assert row("rate", 0.94, 0.5, 1, target=at_least(0.95)).verdict == "≥ 0.95 MISSED"
    assert row("start", 1.3, 1, 2, target=at_most(1.25)).verdict == "≤ 1.25 MISSED"
    assert row("start", 1.25, 1, 2, target=at_most(1.25)).verdict == "≤ 1.25 met"
    assert row("other", 1, 1, 1).verdict == ""


def test_a_file_holds_what_was_measured(tmp_path: Path) -> None:
    rows = [row("rate", 0.9, 0.8, 1, target=at_least(0.95)), row("start", 1, 1, 1)]
    report.save(rows, {"cores": 2}, tmp_path / "deep" / "bench.json")
    assert report.load(tmp_path / "deep" / "bench.json") == rows


def test_a_change_counts_where_the_spreads_are_apart(tmp_path: Path) -> None:
    before = [row("rate", 1, 0.9, 1.1), row("start", 1, 0.9, 1.1), row("gone", 1, 1, 1)]
    after = [row("rate", 1.2, 1.15, 1.3), row("start", 1.05, 1, 1.2), row("new", 1, 1, 1)]
    for name, rows in (("before", before), ("after", after)):
        report.save(rows, {}, tmp_path / name)
    arguments = ["compare", str(tmp_path / "before"), str(tmp_path / "after")]
    lines = CliRunner().invoke(main, arguments).output.splitlines()
    assert lines[1] == "frames"
    assert "+20.0 %  changed" in lines[2]
    assert "+5.0 %  within the spread" in lines[3]
    assert len(lines) == 4


def test_a_section_that_there_is_not_is_named_beside_those_that_there_are() -> None:
    done = CliRunner().invoke(main, ["--only", "starts"])
    assert done.exit_code == 2
    assert "no section is called like 'starts'. There are: frames of " in done.output


def test_a_change_does_not_count_where_there_is_no_spread() -> None:
    """The shares of a processor are of one interval, and the next one is never quite the same."""
    lines = report.comparison(
        [row("share", 0.010, 0.010, 0.010)], [row("share", 0.011, 0.011, 0.011)]
    )
    assert "+10.0 %  measured once" in lines


def test_the_slowest_is_that_of_fifty_frames() -> None:
    usual, slow = [1.0] * 49, [2.0]
    assert sections._tail([*usual, *slow]) == Ratio(2, 2, 2)
    assert sections._tail([*usual, *slow, *usual, 3.0, *usual, 4.0]) == Ratio(3, 2, 4)
    assert sections._tail([*slow, *usual[:12]]) == Ratio(2, 2, 2)


@pytest.mark.parametrize("content", ["", "[]", '{"rows": [{}]}', '{"rows": 1}'])
def test_another_file_is_no_report(tmp_path: Path, content: str) -> None:
    (tmp_path / "other.json").write_text(content)
    path = str(tmp_path / "other.json")
    result = CliRunner().invoke(main, ["compare", path, path])
    assert result.exit_code == 1
    assert result.output == (
        f"Error: {path} is not a report of this program: write one with make bench\n"
    )


def test_the_plot_has_a_bar_as_long_as_its_stages(tmp_path: Path) -> None:
    bars = {"one": {"capture": 1.0, "inference": 3.0}, "other": {"capture": 2.0}}
    plot.stages(bars, tmp_path / "bench.png")
    with Image.open(tmp_path / "bench.png") as image:
        colours = [image.getpixel((x, 62)) for x in range(image.width)]
        second = [image.getpixel((x, 62 + 58)) for x in range(image.width)]
    model = colours.count((0xBA, 0xB0, 0xAC))
    decode = colours.count((0x4C, 0x78, 0xA8))
    assert model == pytest.approx(3 * decode, abs=3)
    assert second.count((0x4C, 0x78, 0xA8)) == pytest.approx(2 * decode, abs=3)


@pytest.mark.slow
def test_a_whole_frame_is_measured_beside_the_bare_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.__main__.BUILD", tmp_path)
    effort = sections.Effort(1, 1, 1, (1,), 1, (1,), ())
    monkeypatch.setattr(sections, "QUICK", effort)
    result = CliRunner().invoke(main, ["--quick", "--only", f"frames of {sections.ONNX_DETECTOR}"])
    assert result.exit_code == 0, result.output
    rows = report.load(tmp_path / "bench.json")
    assert len(rows) == 5
    assert all(0.01 < one.ratio.median < 100 for one in rows)
