"""The code that runs on devices: one folder per asset, each importable on its own."""

from __future__ import annotations

from pathlib import Path

CODE_FOLDER = Path(__file__).resolve().parent / "dlr_inference"
"""What is deployed to a core: the entry points and the ``inference`` package."""
