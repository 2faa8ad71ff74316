"""Where the files of the demo models are in the repository."""

from __future__ import annotations

from pathlib import Path

LABELS = Path("edge_functions/dlr_inference/inference/profiles/efficientnet-lite0-imagenet.txt")
PHOTOGRAPHS = Path("edge_functions/dlr_inference/sample_images")
REFERENCES = Path("tests/reference")
