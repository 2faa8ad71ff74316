"""What runs on devices: one folder for each asset, which can be imported by itself."""

from __future__ import annotations

from pathlib import Path

CODE_FOLDER = Path(__file__).resolve().parent / "dlr_inference"
"""What is deployed to a core: the entry points and the ``inference`` package."""
