"""Manifests of labelled images, as SageMaker Ground Truth and ``mli samples --export`` write them.

https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.model.artifacts.digests import sha256_of

from ..errors import MliError
from .jobs import S3Location

RECORDS = "application/x-recordio"
SUFFIX = ".manifest"
FOLDER = "manifests"
_SOURCE, _METADATA = "source-ref", "-metadata"
_SHUFFLE_SEED = 1


def is_manifest(text: str) -> bool:
    """Return whether a place of training data is a manifest on this machine."""
    return text.endswith(SUFFIX) and not text.startswith("s3://")


@dataclass(frozen=True)
class Manifest:
    """A file with one image and its labels on each line; ``label`` is the attribute of these."""

    file: Path
    label: str
    images: int

    @classmethod
    def read(cls, file: Path, option: str) -> Manifest:
        """Read and check a manifest.

        Raises:
            MliError: naming the first line that SageMaker could not use.
        """
        label, count = "", 0
        try:
            with file.open(encoding="utf-8") as lines:
                for count, line in enumerate(lines, start=1):
                    found = _label_of(line)
                    if found is None or found != (label or found):
                        raise MliError(
                            f"{option} {file}: line {count} must be a JSON object with "
                            f"{_SOURCE}, an S3 URI, and the labels{' in ' + label if label else ''}"
                        )
                    label = found
        except (OSError, UnicodeDecodeError) as error:
            raise MliError(f"{option} {file}: cannot be read: {error}") from None
        if not count:
            raise MliError(f"{option} {file}: lists no images")
        return cls(file, label, count)

    def place(self, output: S3Location) -> S3Location:
        """Return where it is uploaded to."""
        return output.below(f"{FOLDER}/{sha256_of(self.file)[:12]}/{self.file.name}")

    def channel(self, name: str, place: S3Location) -> dict[str, Any]:
        """Return the channel of a training job."""
        source = {
            "S3DataType": "AugmentedManifestFile",
            "S3Uri": place.uri,
            "S3DataDistributionType": "FullyReplicated",
            "AttributeNames": [_SOURCE, self.label],
        }
        return {
            "ChannelName": name,
            "ContentType": RECORDS,
            "CompressionType": "None",
            "RecordWrapperType": "RecordIO",
            "ShuffleConfig": {"Seed": _SHUFFLE_SEED},
            "DataSource": {"S3DataSource": source},
        }


def _label_of(line: str) -> str | None:
    """Return the attribute with the labels of an image; None if the line is not of a manifest."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not str(found.get(_SOURCE, "")).startswith("s3://"):
        return None
    labels = [key for key in found if key != _SOURCE and not key.endswith(_METADATA)]
    return labels[0] if len(labels) == 1 else None
