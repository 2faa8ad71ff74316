"""``mli demo photographs``: the sample photographs, from scikit-image's data files."""

from __future__ import annotations

from pathlib import Path

import cv2

from mli.compile.tvm.packages import SCIKIT_IMAGE

PHOTOGRAPHS = ("coffee", "chelsea", "camera", "astronaut")

_ENCODING = [
    cv2.IMWRITE_JPEG_QUALITY, 92,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip
"""Colour at full resolution: halving it costs a detector up to 0.09 of a score."""


def write_photographs(work: Path, folder: Path) -> list[Path]:
    """Write each photograph as JPEG, in colour or grey as in the source; return the files."""
    source = SCIKIT_IMAGE.folder(work.absolute()) / "skimage/data"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in PHOTOGRAPHS:
        image = cv2.imread(str(source / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        path = folder / f"{name}.jpg"
        if not cv2.imwrite(str(path), image, _ENCODING):
            raise OSError(f"{path}: cannot be written")
        written.append(path)
    return written
