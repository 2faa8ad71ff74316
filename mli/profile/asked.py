"""What the command line of ``mli profile`` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Asked:
    """What the command line says: the model, a photograph (height, width, 3), and what is given
    about the model."""

    path: Path
    pixels: Any
    photograph: str
    labels_file: str | None = None
    labels: Sequence[str] | None = None
    preset: str | None = None
    shape: tuple[int, ...] | None = None
