"""Samples with their predictions as labels, in the forms that labelling and training read.

COCO: https://cocodataset.org/#format-data. YOLO: https://docs.ultralytics.com/datasets/.
Ground Truth: https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping
from datetime import UTC
from pathlib import PurePosixPath
from typing import Any

import yaml

from ..view.drawing import Mark
from .labelled import Labelled
from .stored import StoredSample

FORMATS = ("coco", "yolo", "csv", "ground-truth")
WITH_IMAGES = ("coco", "yolo")

_ATTRIBUTE = "mli-samples"
_LABEL_FOLDER = 80


def image_paths(form: str, labelled: Labelled) -> dict[str, PurePosixPath]:
    """Return where the image of each sample is in an export, relative to its folder, by URI."""
    found: dict[str, PurePosixPath] = {}
    used: set[PurePosixPath] = set()
    for part, samples in labelled.split().items():
        for one in samples:
            folder = PurePosixPath("images")
            if form == "yolo" and labelled.is_detection:
                folder = PurePosixPath("images", part)
            elif form == "yolo":
                folder = PurePosixPath(part, label_folder(labelled.labels_of(one)[0].label))
            path = folder / PurePosixPath(one.object.key).name
            if path.with_suffix("") in used:  # the file of its labels has another suffix
                digest = hashlib.sha256(one.object.uri.encode()).hexdigest()[:8]
                path = folder / f"{digest}-{path.name}"
            used.add(path.with_suffix(""))
            found[one.object.uri] = path
    return found


def label_folder(label: str) -> str:
    """Return a folder for a class: its name if that is safe, else with a digest for the rest."""
    plain = re.sub(r"[^\w .,+()-]", "_", label).strip(" .")[:_LABEL_FOLDER]
    if plain == label:
        return plain
    digest = hashlib.sha256(label.encode(errors="backslashreplace")).hexdigest()[:8]
    return f"{plain}-{digest}" if plain else digest


def written_files(
    form: str, labelled: Labelled, sizes: Mapping[str, tuple[int, int]], created: str
) -> dict[str, str]:
    """Return the files of an export besides the images, by name.

    ``sizes`` are width and height of the images by URI, and ``created`` is the time of an export
    that is one file. All others have the same content each time, so that they can be compared.
    """
    if form == "coco":
        return {"annotations.json": _coco(labelled, sizes, created)}
    if form == "yolo":
        return _yolo(labelled)
    if form == "csv":
        return {"samples.csv": _csv(labelled)}
    return _ground_truth(labelled, sizes)


def _coco(labelled: Labelled, sizes: Mapping[str, tuple[int, int]], created: str) -> str:
    ids = {label: number for number, label in enumerate(labelled.classes, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    paths = image_paths("coco", labelled)
    for number, one in enumerate(labelled.samples, start=1):
        width, height = sizes[one.object.uri]
        images.append(
            {
                "id": number,
                "file_name": str(paths[one.object.uri]),
                "width": width,
                "height": height,
                "date_captured": one.about.captured,
                "coco_url": one.object.uri,
                "core": one.about.core,
                "kept_for": one.why(),
                "predictions_left_out": one.about.left_out,
            }
        )
        for mark in labelled.labels_of(one):
            left, top, across, down = _pixels(mark, width, height)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": ids[mark.label],
                    "bbox": [left, top, across, down],
                    "area": round(across * down, 2),
                    "iscrowd": 0,
                    "score": mark.score,
                }
            )
    categories = [{"id": number, "name": label} for label, number in ids.items()]
    info = {"description": "Samples with the predictions of the model", "date_created": created}
    return json.dumps(
        {"info": info, "images": images, "annotations": annotations, "categories": categories},
        indent=1,
    )


def _yolo(labelled: Labelled) -> dict[str, str]:
    if not labelled.is_detection:
        names = {label_folder(one): one for one in labelled.classes}
        return {"classes.json": json.dumps(names, indent=1)}
    ids = {label: number for number, label in enumerate(labelled.classes)}
    files = {}
    parts, paths = labelled.split(), image_paths("yolo", labelled)
    for part, samples in parts.items():
        for one in samples:
            lines = []
            for mark in labelled.labels_of(one):
                left, top, across, down = _pixels(mark, 1, 1)
                middle = (left + across / 2, top + down / 2)
                numbers = " ".join(f"{value:.6f}" for value in (*middle, across, down))
                lines.append(f"{ids[mark.label]} {numbers}\n")
            files[f"labels/{part}/{paths[one.object.uri].stem}.txt"] = "".join(lines)
    described = {
        "train": "images/train",
        "val": f"images/{'validation' if 'validation' in parts else 'train'}",
        "names": {number: label for label, number in ids.items()},
    }
    files["data.yaml"] = yaml.safe_dump(described, sort_keys=False, allow_unicode=False)
    return files


def _csv(labelled: Labelled) -> str:
    text = io.StringIO()
    columns = ("uri", "core", "captured", "source", "model", "model_sha256", "kept_for",
               "label", "score", "xmin", "ymin", "xmax", "ymax")  # fmt: skip
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for one in labelled.samples:
        about = one.about
        known = (one.object.uri, about.core, about.captured, about.source, about.model,
                 about.model_sha256, "; ".join(one.why()))  # fmt: skip
        for mark in about.marks or ():
            writer.writerow((*known, mark.label, mark.score, *(mark.box or ("",) * 4)))
        if not about.marks:
            writer.writerow((*known, *("",) * 6))
    return text.getvalue()


def _ground_truth(labelled: Labelled, sizes: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """Return the manifests, and hyperparameters with the counts that training needs."""
    ids = {label: number for number, label in enumerate(labelled.classes)}
    files = {}
    parts = labelled.split()
    for part, samples in parts.items():
        lines = [json.dumps(_manifest_line(labelled, one, ids, sizes)) for one in samples]
        files[f"{part}.manifest"] = "".join(f"{line}\n" for line in lines)
    count = len(parts["train"])
    values: dict[str, Any] = {
        "num_classes": len(ids),
        "num_training_samples": count,
        "use_pretrained_model": "1",
        "epochs": 30,
        "mini_batch_size": max(1, min(16, count)),
    }
    if labelled.is_detection:
        values |= {"base_network": "resnet-50", "image_shape": 512}
    else:
        values |= {"num_layers": "18", "image_shape": "3,224,224", "resize": 256}
    files["hyperparameters.json"] = json.dumps(values, indent=1) + "\n"
    files["classes.txt"] = "".join(f"{_one_line(label)}\n" for label in labelled.classes)
    return files


def _manifest_line(
    labelled: Labelled,
    one: StoredSample,
    ids: Mapping[str, int],
    sizes: Mapping[str, tuple[int, int]],
) -> dict[str, Any]:
    marks = labelled.labels_of(one)
    created = one.moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    common = {"human-annotated": "no", "creation-date": created, "job-name": _ATTRIBUTE}
    if not labelled.is_detection:
        (mark,) = marks
        return {
            "source-ref": one.object.uri,
            _ATTRIBUTE: ids[mark.label],
            f"{_ATTRIBUTE}-metadata": {
                "class-name": mark.label,
                "confidence": mark.score,
                "type": "groundtruth/image-classification",
                **common,
            },
        }
    width, height = sizes[one.object.uri]
    annotations = []
    for mark in marks:
        left, top, across, down = _pixels(mark, width, height)
        annotations.append(
            {
                "class_id": ids[mark.label],
                "left": round(left),
                "top": round(top),
                "width": max(1, round(across)),
                "height": max(1, round(down)),
            }
        )
    return {
        "source-ref": one.object.uri,
        _ATTRIBUTE: {
            "image_size": [{"width": width, "height": height, "depth": 3}],
            "annotations": annotations,
        },
        f"{_ATTRIBUTE}-metadata": {
            "objects": [{"confidence": mark.score} for mark in marks],
            "class-map": {str(ids[mark.label]): mark.label for mark in marks},
            "type": "groundtruth/object-detection",
            **common,
        },
    }


def _pixels(mark: Mark, width: int, height: int) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a label, cut to the image; without a box all of it."""
    box = mark.box or (0.0, 0.0, 1.0, 1.0)
    xs = sorted(min(1.0, max(0.0, value)) * width for value in (box[0], box[2]))
    ys = sorted(min(1.0, max(0.0, value)) * height for value in (box[1], box[3]))
    digits = 2 if width > 1 else 6
    return (
        round(xs[0], digits),
        round(ys[0], digits),
        round(xs[1] - xs[0], digits),
        round(ys[1] - ys[0], digits),
    )


def _one_line(label: str) -> str:
    return " ".join(label.encode(errors="backslashreplace").decode().split())
