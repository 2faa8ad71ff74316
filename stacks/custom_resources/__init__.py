"""Custom resources: infrastructure here, and what Lambda runs in ``runtime/``."""

from __future__ import annotations

from pathlib import Path

RUNTIME_FOLDER = Path(__file__).resolve().parent / "runtime"
"""The asset of every custom resource's function: the ``custom_resources`` package."""
