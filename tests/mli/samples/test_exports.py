"""``samples --export`` against a cloud: what other tools read, and train with."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from inference.vision.postprocess import Prediction
from local_core.cloud import LocalCloud
from mli.samples.exports import image_paths, written_files
from mli.samples.labelled import Labelled
from mli.samples.places import Place
from mli.samples.stored import StoredObject, StoredSample
from mli.view.described import Described
from mli.view.drawing import Mark
from tests.mli.samples.kept_samples import CUP, HOSTILE, KeptSamples
from tests.mli.support import Commands


def test_coco_has_boxes_in_pixels_and_the_images(
    commands: Commands, kept: KeptSamples, tmp_path: Path
) -> None:
    folder = tmp_path / "coco"
    arguments = ["samples", kept.name, "--export", "coco", "--output", str(folder)]
    commands.run(*arguments, "--label", "cup")
    found = json.loads((folder / "annotations.json").read_text())
    [image] = found["images"]
    assert (image["width"], image["height"]) == (60, 40)
    assert (folder / image["file_name"]).read_bytes().startswith(b"\xff\xd8")
    categories = {one["id"]: one["name"] for one in found["categories"]}
    boxes = {categories[one["category_id"]]: one["bbox"] for one in found["annotations"]}
    assert boxes == {"cup": [6.0, 8.0, 24.0, 20.0], "cat": [30.0, 0.0, 30.0, 40.0]}
    assert "exists" in commands.run(*arguments, code=1)


def test_yolo_has_a_text_for_each_image_and_names(
    commands: Commands, kept: KeptSamples, tmp_path: Path
) -> None:
    folder = tmp_path / "yolo"
    commands.run("samples", kept.name, "--export", "yolo", "--output", str(folder))
    described = yaml.safe_load((folder / "data.yaml").read_text())
    assert sorted(described["names"].values()) == sorted(["cat", "cup", HOSTILE])
    images = {path.stem for path in folder.glob("images/*/*.jpg")}
    texts = {path.stem: path.read_text() for path in folder.glob("labels/*/*.txt")}
    assert set(texts) == images
    assert len(images) == 4
    cat = list(described["names"].values()).index("cat")
    assert f"{cat} 0.750000 0.500000 0.500000 1.000000\n" in "".join(texts.values())
    assert "" in texts.values(), "a frame in which nothing was found is an example too"
    for part in ("train", "val"):
        assert list((folder / described[part]).glob("*.jpg"))


@pytest.mark.parametrize(("form", "last"), [("yolo", "data.yaml"), ("ground-truth", "classes.txt")])
def test_an_interrupted_export_continues_and_overwrites_nothing(
    commands: Commands, kept: KeptSamples, tmp_path: Path, form: str, last: str
) -> None:
    arguments = ["samples", kept.name, "--export", form, "--output", str(tmp_path)]
    commands.run(*arguments)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / last).unlink()
    label = next(path for path in files if path.suffix in (".txt", ".manifest") and path.exists())
    label.unlink()
    commands.run(*arguments)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files
    (tmp_path / last).unlink()
    label.write_bytes(b"corrected by hand")
    assert f"{label} exists" in commands.run(*arguments, code=1)
    assert label.read_bytes() == b"corrected by hand"
    assert not (tmp_path / last).exists()


def test_yolo_refuses_images_of_another_export(
    commands: Commands, kept: KeptSamples, tmp_path: Path
) -> None:
    """They would be trained with, since the form names folders."""
    arguments = ["samples", kept.name, "--export", "yolo", "--output", str(tmp_path)]
    commands.run(*arguments)
    (tmp_path / "data.yaml").unlink()
    image = next(tmp_path.rglob("*.jpg"))
    other = image.with_name("of-last-week.jpg")
    other.write_bytes(image.read_bytes())
    assert f"{other} is of another export" in commands.run(*arguments, code=1)
    assert not (tmp_path / "data.yaml").exists()


def test_csv_reads_back(commands: Commands, kept: KeptSamples, tmp_path: Path) -> None:
    commands.run("samples", kept.name, "--export", "csv", "--output", str(tmp_path))
    with (tmp_path / "samples.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["label"] for row in rows) == sorted(["", "cat", "cat", "cup", HOSTILE])
    [cup] = [row for row in rows if row["label"] == "cup"]
    assert [cup[name] for name in ("xmin", "ymin", "xmax", "ymax")] == ["0.1", "0.2", "0.5", "0.7"]


def test_a_manifest_of_a_detector_trains(
    commands: Commands, kept: KeptSamples, tmp_path: Path
) -> None:
    folder = tmp_path / "dataset"
    text = commands.run("samples", kept.name, "--export", "ground-truth", "--output", str(folder))
    manifests = [folder / f"{part}.manifest" for part in ("train", "validation")]
    lines = [json.loads(line) for file in manifests for line in file.read_text().splitlines()]
    assert len(lines) == 4
    [cup] = [one for one in lines if len(one["mli-samples"]["annotations"]) == 2]
    assert cup["source-ref"].startswith(f"s3://{kept.bucket}/")
    assert cup["mli-samples"]["image_size"] == [{"width": 60, "height": 40, "depth": 3}]
    box = {"left": 6, "top": 8, "width": 24, "height": 20}
    told = cup["mli-samples-metadata"]
    [number] = [key for key, label in told["class-map"].items() if label == "cup"]
    assert {"class_id": int(number), **box} in cup["mli-samples"]["annotations"]
    assert told["type"] == "groundtruth/object-detection"
    [following] = re.findall(r"Next: mli (train .*) --role …", text)
    role = ["--role", "arn:aws:iam::111122223333:role/Train", "--output", "s3://models/out/"]
    request = commands.json(*following.split(), *role, "--dry-run")["CreateTrainingJob"]
    assert request["AlgorithmSpecification"]["TrainingInputMode"] == "Pipe"
    train, validation = request["InputDataConfig"]
    source = train["DataSource"]["S3DataSource"]
    assert source["S3DataType"] == "AugmentedManifestFile"
    assert source["AttributeNames"] == ["source-ref", "mli-samples"]
    assert source["S3Uri"].startswith("s3://models/out/manifests/")
    assert (train["RecordWrapperType"], validation["ChannelName"]) == ("RecordIO", "validation")
    count = len(manifests[0].read_text().splitlines())
    assert request["HyperParameters"]["num_training_samples"] == str(count)


def test_a_classifier_exports_the_best_class(
    commands: Commands, cloud: LocalCloud, tmp_path: Path
) -> None:
    classified = KeptSamples(cloud, tmp_path / "spool")
    for label, score in (("a/b", 0.8), ("plum", 0.6), ("plum", 0.7)):
        classified.keep([Prediction(label, score), Prediction("other", 0.1)])

    def export(form: str) -> Path:
        folder = tmp_path / form
        commands.run("samples", classified.name, "--export", form, "--output", str(folder))
        return folder

    lines = [
        json.loads(line)
        for file in export("ground-truth").glob("*.manifest")
        for line in file.read_text().splitlines()
    ]
    names = (folder := tmp_path / "ground-truth") / "classes.txt"
    classes = names.read_text().splitlines()
    assert sorted(classes[one["mli-samples"]] for one in lines) == ["a/b", "plum", "plum"]
    assert (folder / "train.manifest").exists()
    yolo = export("yolo")
    folders = sorted(path.parent.name for path in yolo.glob("*/*/*.jpg"))
    parts = [sorted(path.name for path in part.iterdir()) for part in yolo.glob("*/")]
    assert parts == [sorted(set(folders))] * 2, "a trainer numbers the folders that it finds"
    assert folders[-2:] == ["plum", "plum"]
    assert json.loads((yolo / "classes.json").read_text())[folders[0]] == "a/b"
    coco = json.loads((export("coco") / "annotations.json").read_text())
    assert {tuple(one["bbox"]) for one in coco["annotations"]} == {(0.0, 0.0, 60.0, 40.0)}


def test_labels_fix_the_order_of_the_classes(
    commands: Commands, kept: KeptSamples, tmp_path: Path
) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("dog\ncup\ncat\n")
    chosen = ["samples", kept.name, "--label", "c*", "--labels", str(file), "--export"]
    commands.run(*chosen, "ground-truth", "--output", str(tmp_path / "set"))
    assert (tmp_path / "set" / "classes.txt").read_text() == "dog\ncup\ncat\n"
    file.write_bytes("cup\r\ncat\r\ncup\r\n".encode("utf-8-sig"))  # as Windows' Notepad saves it
    commands.run(*chosen, "ground-truth", "--output", str(tmp_path / "notepad"))
    assert (tmp_path / "notepad" / "classes.txt").read_text() == "cup\ncat\n"
    file.write_text("dog\n")
    text = commands.run(*chosen, "csv", "--output", str(tmp_path / "csv"), code=1)
    assert "does not have the label" in text


def test_a_frame_that_two_strategies_kept_is_exported_once(
    commands: Commands, cloud: LocalCloud, tmp_path: Path
) -> None:
    twice = KeptSamples(cloud, tmp_path / "spool")
    twice.keep([CUP], config_id="LC50")
    twice.frames = 0
    twice.keep([CUP], config_id="Entropy")
    arguments = ["samples", twice.name, "--export", "coco", "--output", str(tmp_path / "set")]
    assert "exported 1 frame of 2 samples" in commands.run(*arguments)
    [image] = json.loads((tmp_path / "set" / "annotations.json").read_text())["images"]
    assert len(image["kept_for"]) == 2


def test_images_whose_names_differ_in_their_ending_have_labels_of_their_own() -> None:
    """In YOLO's form these are in a file of the image's name, with another ending."""
    found = [_sample("LC/1.jpg", "cup"), _sample("M/1.png", "cat"), _sample("M/1", "dog")]
    labelled = Labelled.of(found)
    files = written_files("yolo", labelled, {}, "")
    numbers = {text.split()[0] for name, text in files.items() if name.startswith("labels/")}
    assert numbers == {"0", "1", "2"}
    stems = [(path.parent, path.stem) for path in image_paths("yolo", labelled).values()]
    assert len(set(stems)) == len(found)


def _sample(key: str, label: str) -> StoredSample:
    stored = StoredObject("bucket", key, 1, "", datetime.now(UTC), Place("bucket", ""))
    return StoredSample(stored, Described(marks=(Mark(label, 0.5, (0.1, 0.1, 0.5, 0.5)),)), True)


def test_a_classification_is_no_frame_without_objects(
    commands: Commands, cloud: LocalCloud, tmp_path: Path
) -> None:
    mixed = KeptSamples(cloud, tmp_path / "spool")
    mixed.keep([Prediction("plum", 0.8)], model="classifier")
    mixed.keep([CUP], model="detector")
    mixed.keep([], model="detector")
    exporting = ["samples", mixed.name, "--export", "coco", "--output"]
    said = commands.run(*exporting, str(tmp_path / "set"))
    assert "1 were left out, because their predictions have no boxes" in said
    found = json.loads((tmp_path / "set" / "annotations.json").read_text())
    assert len(found["images"]) == 2
    assert [one["name"] for one in found["categories"]] == ["cup"]
    assert "left out" not in commands.run(*exporting, str(tmp_path / "a"), "--model", "classifier")
