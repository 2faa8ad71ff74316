"""Samples with the predictions of the model as their labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import MliError
from ..view.drawing import Mark
from .stored import StoredSample

_VALIDATION_SHARE = 10
"""One in this many samples is for validation, chosen by its key: always the same ones."""


@dataclass(frozen=True)
class Labelled:
    """The samples of an export, and their classes in order. ``is_detection``: labels have boxes.

    ``without_boxes`` counts samples that are left out then, such as those of a classifier that the
    core had before.
    """

    samples: tuple[StoredSample, ...]
    classes: tuple[str, ...]
    is_detection: bool
    without_boxes: int = 0

    @classmethod
    def of(cls, samples: Sequence[StoredSample], classes: Sequence[str] = ()) -> Labelled:
        """Return those samples that say what was predicted; ``classes`` fixes their order.

        Raises:
            MliError: if there is none, or a label is not among the classes.
        """
        known = _each_frame_once([one for one in samples if one.is_described])
        is_detection = any(mark.box is not None for one in known for mark in one.about.marks)
        described = len(known)
        if is_detection:  # what is not labelled would count as background
            known = [one for one in known if all(mark.box for mark in one.about.marks)]
        else:  # a classifier that saw nothing gave no label
            known = [one for one in known if one.about.marks]
        found = {mark.label for one in known for mark in one.about.marks}
        if not found:
            raise MliError(
                f"none of {len(samples)} samples says what was predicted: there is nothing to "
                "label with (--download fetches the images)"
            )
        strange = sorted(found - set(classes)) if classes else []
        if strange:
            raise MliError(f"--labels: does not have the label {strange[0]!r} of a sample")
        without_boxes = described - len(known) if is_detection else 0
        ordered = tuple(classes) or tuple(sorted(found))
        return cls(tuple(known), ordered, is_detection, without_boxes)

    def labels_of(self, sample: StoredSample) -> list[Mark]:
        """Return the labels of a sample: all boxes, or the best class."""
        if self.is_detection:
            return [mark for mark in sample.about.marks if mark.box is not None]
        return [max(sample.about.marks, key=lambda mark: mark.score)]

    def split(self) -> dict[str, list[StoredSample]]:
        """Return samples for training and for validation, both if there are two."""
        parts: dict[str, list[StoredSample]] = {"train": [], "validation": []}
        for one in self.samples:
            digest = hashlib.sha256(one.object.key.encode()).digest()
            is_held_out = int.from_bytes(digest[:4], "big") % _VALIDATION_SHARE == 0
            parts["validation" if is_held_out else "train"].append(one)
        full, empty = sorted(parts, key=lambda name: -len(parts[name]))
        if not parts[empty] and len(parts[full]) > 1:
            parts[empty].append(parts[full].pop())
        if not parts["train"]:
            parts["train"] = parts.pop("validation")
        return {name: part for name, part in parts.items() if part}


def _each_frame_once(samples: Sequence[StoredSample]) -> list[StoredSample]:
    """Return one sample for each frame: several strategies may keep it, each at its own place."""
    found: dict[tuple[str, ...], StoredSample] = {}
    for one in samples:
        about = one.about
        frame = (about.core, about.frame, about.captured, about.model_sha256)
        first = found.setdefault(frame if about.captured else (one.object.uri,), one)
        if first is not one:
            reasons = tuple(dict.fromkeys((*first.about.reasons, *about.reasons)))
            merged = replace(first, about=replace(first.about, reasons=reasons))
            found[frame] = merged
    return list(found.values())
