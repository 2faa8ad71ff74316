"""Annotated frames as files: one for each frame, or a contact sheet of some."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps

from .drawing import Mark, annotated, contact_sheet, jpeg
from .predictions import marks_of

if TYPE_CHECKING:
    from inference.pipeline.results import FrameResult
    from inference.sources.frame import Frame


class Annotator:
    """A sink that writes each frame, with its predictions painted, into ``folder`` as JPEG.

    A file's name is the frame's number and the name of its source, so that none replaces another of
    the same run. ``error`` is the last that prevented a file.
    """

    def __init__(self, folder: Path) -> None:
        """Create the folder.

        Raises:
            OSError: if that is not possible.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.written = 0
        self.error: OSError | None = None

    def __call__(self, frame: Frame, result: FrameResult) -> None:
        """Write one file."""
        marks = [Mark(p.label, p.score, p.box, p.keypoints or ()) for p in result.predictions]
        image = _whole(frame)
        name = re.sub(r"[^\w.-]", "-", Path(frame.source).stem)[-60:]
        file = self.folder / f"{frame.id:06d}-{name}.jpg"
        try:
            file.write_bytes(jpeg(annotated(image, marks)))
        except OSError as error:
            self.error = error
        else:
            self.written += 1


def _whole(frame: Frame) -> Image.Image:
    """Return a frame's image in its own size, also if the core decoded it at a fraction of that."""
    if frame.source_size is not None and frame.data is not None:
        try:
            with Image.open(io.BytesIO(frame.data)) as image:
                return ImageOps.exif_transpose(image).convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            pass  # OpenCV reads more forms than Pillow
    return Image.fromarray(frame.image[:, :, ::-1])


def write_sheet(file: Path, frames: Sequence[tuple[str, Path, Any]]) -> None:
    """Write a contact sheet; each frame has a caption, its image and the message about it."""
    tiles: list[tuple[str, Image.Image]] = []
    for caption, path, message in frames:
        with Image.open(path) as image:
            tiles.append((caption, annotated(image, marks_of(message))))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(jpeg(contact_sheet(tiles)))


def photographs_of(messages: Sequence[Any], photographs: Sequence[Path]) -> Mapping[Path, Any]:
    """Return the last message about each photograph, of a core that predicts all in turn.

    An envelope names the photograph. The list format does not: there, the first message is about
    the first photograph, and so on.
    """
    found: dict[Path, Any] = {}
    known = {path.name: path for path in photographs}
    for number, message in enumerate(messages):
        path: Path | None = photographs[number % len(photographs)]
        if isinstance(message, dict):
            frame = message.get("frame")
            source = frame.get("source") if isinstance(frame, dict) else None
            path = known.get(Path(str(source)).name)
        if path is not None:
            found[path] = message
    return found
