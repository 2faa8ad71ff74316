"""``samples`` against a cloud: what a core put into S3 is found, fetched and shown."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from local_core.cloud import LocalCloud
from mli.samples import head_cache, listing, sheet
from mli.samples.head_cache import HeadCache
from stacks.names import stack_name
from tests.cloud.support import Stacks
from tests.mli.samples.kept_samples import CAT, CUP, HOSTILE, KeptSamples
from tests.mli.support import Commands


@pytest.fixture
def calls(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The URIs of which metadata was asked for."""
    asked: list[str] = []
    metadata = listing._metadata

    def counted(s3: Any, one: Any) -> Any:
        asked.append(one.uri)
        return metadata(s3, one)

    monkeypatch.setattr(listing, "_metadata", counted)
    yield asked


def labels(found: dict[str, Any]) -> list[list[str]]:
    return [[one["label"] for one in sample["predictions"]] for sample in found["samples"]]


def test_a_list_says_why_each_sample_was_kept_and_what_was_predicted(
    commands: Commands, kept: KeptSamples
) -> None:
    text = commands.run("samples", kept.name)
    [cup] = [line for line in text.splitlines() if "cup 0.90" in line]
    assert "LC50: best score 0.90 ≤ 1" in cup
    assert "cup 0.90, cat 0.40" in cup
    assert "fruit abababababab" in cup
    assert f"s3://{kept.bucket}/confidence-lower-than-50/fruit-abababababab/" in cup
    assert "5 samples" in text, "not the one of another core in the same bucket"
    assert "\x1b" not in text
    assert "nothing found" in text


def test_json_has_everything_as_it_was(commands: Commands, kept: KeptSamples) -> None:
    found = commands.json("samples", kept.name, "--max-score", "0.5", "--min-score", "0.5")
    [sample] = found["samples"]
    assert sample["predictions"] == [{"label": HOSTILE, "score": 0.5, "box": [0, 0, 1, 1]}]
    assert (sample["core"], sample["source"], sample["size"]) == (kept.name, "camera:0", [60, 40])
    assert (sample["model"], sample["modelSha256"]) == ("fruit", "ab" * 32)
    assert sample["configuration"] == "b1d0c5a2f3e4"
    assert sample["captured"] == "2026-11-18T11:09:40.000+00:00"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--strategy", "lc50"], [["cup", "cat"]]),
        (["--strategy", "RANDOM*"], [[]]),
        (["--label", "cup"], [["cup", "cat"]]),
        (["--label", "c?t"], [["cat"], ["cup", "cat"]]),
        (["--label", "cat", "--max-score", "0.45"], [["cat"], ["cup", "cat"]]),
        (["--max-score", "0.45", "--label", "*"], [["cat"]]),
        (["--min-score", "0.8"], [["cup", "cat"]]),
        (["--model", "fruit-2"], [["cat"]]),
        (["--model", "abab", "--label", "cup"], [["cup", "cat"]]),
        (["--until", "2026-11-18T11:08"], [["cup", "cat"]]),
        (["--since", "2026-11-18T11:10", "--until", "2026-11-18T11:11"], [[]]),
        (["--since", "2026-11-18T11:07:40", "--until", "2026-11-18T11:08:40"], [["cup", "cat"]]),
        (["--max-score", "0.1", "--strategy", "*"], [[], []]),
        (["--core", "Nobody"], []),
        (["--limit", "1", "--label", "cat"], [["cat"]]),
    ],
)
def test_filters_choose(
    commands: Commands, kept: KeptSamples, filters: list[str], expected: list[list[str]]
) -> None:
    assert labels(commands.json("samples", kept.name, *filters)) == expected


def test_a_sample_without_metadata_is_known_by_its_key_and_by_a_saved_message(
    commands: Commands, kept: KeptSamples, tmp_path: Path
) -> None:
    def old(*more: str) -> dict[str, Any]:
        found = commands.json("samples", kept.name, *more)["samples"]
        [sample] = [one for one in found if not one["described"]]
        return dict(sample)

    by_key = old()
    assert [one["config_id"] for one in by_key["reasons"]] == ["Entropy"]
    assert (by_key["core"], by_key["predictions"]) == (kept.name, [])
    message = {
        "source-ref": by_key["uri"],
        "config-id": "Entropy",
        "model-prediction": {"cat": 0.4, "cup": 0.5},
        "metadata": {"frame": "7", "captured-at": "2026-11-18T11:00:00.000+00:00"},
    }
    saved = tmp_path / "saved.jsonl"
    saved.write_text(json.dumps({"kind": "sample", "payload": {**message, "source-ref": "s3://"}}))
    assert old("--messages", str(saved)) == by_key, "its own message is not there"
    saved.write_text("no JSON\n" + json.dumps({"kind": "sample", "payload": message}) + "\n")
    by_message = old("--messages", str(saved))
    assert [one["label"] for one in by_message["predictions"]] == ["cup", "cat"]
    assert (by_message["frame"], by_message["captured"][:10]) == ("7", "2026-11-18")
    assert "every frame" not in commands.run(
        "samples", kept.name, "--prefix", "entropy", "--messages", str(saved)
    ), "there its strategy is not known"


def test_metadata_is_asked_for_once_and_only_as_far_as_needed(
    commands: Commands, kept: KeptSamples, calls: list[str]
) -> None:
    commands.run("samples", kept.name)
    assert len(calls) == len(set(calls)) == 6
    commands.run("samples", kept.name)
    assert len(calls) == 6, "the second time it is remembered"
    commands.run("samples", kept.name, "--since", "2090-01-01")
    assert len(calls) == 6, "what was stored before cannot have been captured since"


def test_a_damaged_cache_is_replaced(
    commands: Commands, kept: KeptSamples, calls: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "cache" / "mli" / "samples.sqlite3"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database" * 100)
    commands.run("samples", kept.name)
    commands.run("samples", kept.name)
    assert len(calls) == 6


def test_a_cache_that_another_process_locks_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "samples.sqlite3"
    HeadCache(file).close()
    monkeypatch.setattr(head_cache, "_LONGEST_WAIT_SECONDS", 0.0)
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("INSERT INTO heads VALUES ('b', 'k', 'e', '{}')")
        locked = HeadCache(file)
        assert locked.find([]) == {}
        locked.close()
        other.commit()
    with contextlib.closing(sqlite3.connect(file)) as found:
        assert found.execute("SELECT key FROM heads").fetchall() == [("k",)]


def test_an_object_that_was_replaced_is_asked_for_again(tmp_path: Path, kept: KeptSamples) -> None:
    from dataclasses import replace
    from datetime import UTC, datetime

    from mli.samples.places import Place
    from mli.samples.stored import StoredObject

    one = StoredObject("b", "k", 1, '"e1"', datetime.now(UTC), Place("b", ""))
    cache = HeadCache(tmp_path / "c")
    cache.add([(one, {"core": "Demo"})])
    assert cache.find([one]) == {one.uri: {"core": "Demo"}}
    assert cache.find([replace(one, etag='"e2"')]) == {}


def test_many_pages_take_few_calls(
    commands: Commands,
    cloud: LocalCloud,
    tmp_path: Path,
    calls: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "PAGE", 10)
    monkeypatch.setattr(listing, "_BATCH", 16)
    many = KeptSamples(cloud, tmp_path / "spool")
    for number in range(35):
        many.put(f"entropy/{number:05}.jpg", b"x")
    found = commands.json("samples", many.name, "--limit", "10")
    assert len(found["samples"]) == 10
    assert found["more"] is True
    assert len(calls) <= 16
    assert len(commands.json("samples", many.name, "--limit", "2000")["samples"]) == 35


def test_a_download_is_complete_resumed_and_overwrites_nothing(
    commands: Commands, kept: KeptSamples, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    assert "5 downloaded" in commands.run("samples", kept.name, "--download", str(folder))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) == 5
    assert all(path.read_bytes().startswith(b"\xff\xd8") for path in files)
    files[0].unlink()
    text = commands.run("samples", kept.name, "--download", str(folder))
    assert "1 downloaded" in text
    assert "4 were there already" in text
    files[0].write_bytes(b"mine")
    files[1].unlink()
    refused = commands.run("samples", kept.name, "--download", str(folder), code=1)
    assert str(files[0]) in refused
    assert files[0].read_bytes() == b"mine"
    assert files[1].exists(), "one foreign file does not keep the others away"
    assert not list(folder.rglob("*.partial"))


def test_the_mask_of_a_segmentation_comes_with_its_sample(
    commands: Commands, cloud: LocalCloud, tmp_path: Path
) -> None:
    segmented = KeptSamples(cloud, tmp_path / "spool")
    segmented.put("entropy/m/a.jpg")
    segmented.put("entropy/m/a.mask.png", b"mask")
    [sample] = commands.json("samples", segmented.name)["samples"]
    assert sample["mask"] == f"s3://{segmented.bucket}/entropy/m/a.mask.png"
    folder = tmp_path / "kept"
    assert "2 downloaded" in commands.run("samples", segmented.name, "--download", str(folder))
    assert (folder / "entropy" / "m" / "a.mask.png").read_bytes() == b"mask"


def test_samples_of_the_first_generation_lie_anywhere_in_the_bucket(
    commands: Commands, cloud: LocalCloud
) -> None:
    bucket, name = "samples-of-v1", "FirstGeneration"
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="any/prefix/a.jpg", Body=b"x")
    thing = {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": f"{name}_Core"}}
    Stacks(cloud).deploy(stack_name(name), {"Thing": thing}, {"FeedbackBucket": bucket})
    [sample] = commands.json("samples", name)["samples"]
    assert (sample["uri"], sample["core"]) == (f"s3://{bucket}/any/prefix/a.jpg", name)
    Stacks(cloud).deploy(stack_name(name), {"Thing": thing}, {"Other": "output"})
    assert "feedback=false" in commands.run("samples", name, code=1)


def test_metadata_and_keys_of_others_are_shown_in_one_line_and_exported(
    commands: Commands, cloud: LocalCloud, tmp_path: Path
) -> None:
    strange = KeptSamples(cloud, tmp_path / "spool")
    metadata = {"mli": "1", "core": strange.name, "size": "60x40", "predictions": '[["cup",0.5]]'}
    for key, captured in (
        ("entropy/a\n2026-11-27  Forged.jpg", "0001-01-01T00:00:00+14:00"),
        ("entropy/b.jpg", "2026-11-18T11:00:00+02:00"),
    ):
        cloud.client("s3").put_object(
            Bucket=strange.bucket,
            Key=key,
            Body=b"?",
            Metadata={**metadata, "captured-at": captured},
        )
    lines = commands.run("samples", strange.name).splitlines()
    assert sum("cup 0.50" in line for line in lines) == 2
    assert not any(line.startswith("2026-11-27") for line in lines)
    assert any(line.startswith("2026-11-18 09:00:00") for line in lines)
    folder = str(tmp_path / "set")
    commands.run("samples", strange.name, "--export", "ground-truth", "--output", folder)


@pytest.mark.parametrize("key", ["entropy/../../../../x.jpg", f"entropy/{'ü' * 126}.jpg"])
def test_a_key_that_is_no_path_below_the_folder_is_refused(
    commands: Commands, cloud: LocalCloud, tmp_path: Path, key: str
) -> None:
    strange = KeptSamples(cloud, tmp_path / "spool")
    strange.put(key)
    folder = tmp_path / "kept"
    text = commands.run("samples", strange.name, "--download", str(folder), code=1)
    assert "not a path below a folder" in text
    assert not folder.exists()


def test_an_html_sheet_is_one_file_and_shows_labels_as_text(
    commands: Commands, kept: KeptSamples, tmp_path: Path
) -> None:
    file = tmp_path / "sheet.html"
    commands.run("samples", kept.name, "--sheet", str(file))
    page = file.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page), "nothing is loaded"
    assert "LC50: best score 0.90 ≤ 1" in page
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    assert len(pictures) == 5
    decoded = [Image.open(io.BytesIO(base64.b64decode(one))) for one in pictures]
    assert {image.size for image in decoded} == {(60, 40)}
    assert "exists" in commands.run("samples", kept.name, "--sheet", str(file), code=1)


def test_a_sheet_has_a_limit(
    commands: Commands, kept: KeptSamples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sheet.MOST, ".png", 4)
    given = ["samples", kept.name, "--sheet", str(tmp_path / "sheet.png")]
    assert "add --limit 4" in commands.run(*given, code=1)
    commands.run(*given, "--limit", "4")


@pytest.mark.parametrize("form", ["--sheet", "--download"])
def test_a_disk_that_cannot_take_it_is_named_and_nothing_is_left(
    commands: Commands, cloud: LocalCloud, tmp_path: Path, form: str
) -> None:
    large = KeptSamples(cloud, tmp_path / "spool")
    noise = np.random.default_rng(1).integers(0, 256, (99, 99, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, "JPEG")
    large.put("entropy/a.jpg", encoded.getvalue())
    target = tmp_path / "out" / "a.html"
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        said = commands.run("samples", large.name, form, str(target), code=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    assert str(target) in said
    assert not [path for path in target.parent.rglob("*") if path.is_file()]
    commands.run("samples", large.name, form, str(target))


def test_a_picture_that_is_none_is_said_on_the_sheet(
    commands: Commands, cloud: LocalCloud, tmp_path: Path
) -> None:
    broken = KeptSamples(cloud, tmp_path / "spool")
    broken.put("entropy/a.jpg", b"no image")
    for suffix in ("html", "png"):
        commands.run("samples", broken.name, "--sheet", str(tmp_path / f"s.{suffix}"))
    assert "it is not an image" in (tmp_path / "s.html").read_text()


def test_a_png_sheet_has_a_tile_for_each_sample(
    commands: Commands, kept: KeptSamples, tmp_path: Path
) -> None:
    file = tmp_path / "sheet.png"
    commands.run("samples", kept.name, "--sheet", str(file))
    with Image.open(file) as image:
        assert image.format == "PNG"
        assert image.width > 3 * 480
        assert image.height > 2 * 320


def test_a_fleet_and_each_core_of_it_have_their_samples(
    commands: Commands, cloud: LocalCloud, tmp_path: Path
) -> None:
    fleet = KeptSamples(cloud, tmp_path / "spool", fleet="hall-of-samples")
    fleet.keep([CUP])
    fleet.keep([CAT], core="Other")
    fleet.put(f"entropy/{fleet.name}_Core/old.jpg")
    found = commands.json("samples", "hall-of-samples")["samples"]
    assert sorted(one["core"] for one in found) == sorted(["Other", fleet.name, fleet.name])
    assert labels(commands.json("samples", "hall-of-samples", "--core", "Other")) == [["cat"]]
    own = commands.json("samples", fleet.name)["samples"]
    assert {one["core"] for one in own} == {fleet.name}
    assert len(own) == 2


def test_what_is_wrong_is_named(commands: Commands, kept: KeptSamples, tmp_path: Path) -> None:
    assert "no stack DlrInference-Nobody" in commands.run("samples", "Nobody", code=1)
    for arguments, text in (
        (["--export", "coco"], "--output"),
        (["--sheet", "sheet.gif"], ".html or .png"),
        (["--since", "yesterday"], "2h"),
        (["--min-score", "2"], "0<=x<=1"),
        (["--labels", __file__], "--export"),
    ):
        assert text in commands.run("samples", kept.name, *arguments, code=2)
    text = commands.run("samples", kept.name, "--label", "dog")
    assert "none of 6 samples" in text
    assert "1 sample" in commands.run("samples", kept.name, "--prefix", "random-sampling")


def test_a_bucket_that_is_gone_is_named(
    commands: Commands, cloud: LocalCloud, tmp_path: Path
) -> None:
    gone = KeptSamples(cloud, tmp_path / "spool")
    assert f"{gone.name} has no samples yet" in commands.run("samples", gone.name)
    cloud.client("s3").delete_bucket(Bucket=gone.bucket)
    text = commands.run("samples", gone.name, code=1)
    assert f"the bucket {gone.bucket} of the samples does not exist" in text
