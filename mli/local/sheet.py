"""The contact sheet of a run: the photographs with what each core predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inference.names import prediction_topic
from inference.sources.specification import STATIC_SOURCE
from local_core.device.watcher import Watcher
from local_core.run.target import PreparedCore

from ..view.annotating import photographs_of, write_sheet
from ..watch.payload import Payload


def write_sheet_of(cores: Sequence[PreparedCore], watcher: Watcher, file: Path) -> bool:
    """Write the sheet; return whether there is one: only the photographs are known here."""
    from inference.sources.files import SAMPLE_IMAGES  # needs OpenCV

    photographs = sorted(SAMPLE_IMAGES.glob("*.jpg"))
    frames = []
    for core in cores:
        if core.target.image_source != STATIC_SOURCE:
            continue
        received = watcher.on(prediction_topic(core.target.core_name))
        messages = [Payload.of(one.payload).value for one in received]
        frames += [
            (f"{core.target.title} · {photograph.name}", photograph, message)
            for photograph, message in photographs_of(messages, photographs).items()
        ]
    if frames:
        write_sheet(file, frames)
    return bool(frames)
