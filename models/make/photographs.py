"""``python -m models.make.photographs``: the sample photographs, from scikit-image's data files."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

from models.make.packages import SCIKIT_IMAGE, WORK

PHOTOGRAPHS = ("coffee", "chelsea", "camera", "astronaut")
FOLDER = Path("edge_functions/dlr_inference/sample_images")

_ENCODING = [
    cv2.IMWRITE_JPEG_QUALITY, 92,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip
"""Colour at full resolution: halving it costs a detector up to 0.09 of a score."""


def main() -> None:
    """Write each photograph as JPEG, in colour or grey as it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    source = SCIKIT_IMAGE.folder(arguments.work.absolute()) / "skimage/data"
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in PHOTOGRAPHS:
        image = cv2.imread(str(source / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        path = arguments.output / f"{name}.jpg"
        if not cv2.imwrite(str(path), image, _ENCODING):
            raise OSError(f"{path}: cannot be written")
        print(path, image.shape)


if __name__ == "__main__":
    main()
