"""Synthesis of a core beside that of an empty app, and the size of what a device downloads."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
_CORE = {
    "coreName": "Bench",
    "certificateId": "0123456789abcdef" * 4,
    "modelS3Uri": "s3://models/model.tar.gz",
}
_EMPTY = "import aws_cdk as cdk; app = cdk.App(); cdk.Stack(app, 'Empty'); app.synth()"
_PHOTOGRAPHS = "sample_images"


def synth_seconds() -> tuple[float, float]:
    """Return the seconds that a core's synthesis took, and that of an app with an empty stack."""
    return _seconds(str(ROOT / "app.py")), _seconds("-c", _EMPTY)


def _seconds(*arguments: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        _run(arguments, folder, _CORE)
        return time.perf_counter() - started


def _run(arguments: tuple[str, ...], folder: str, context: Mapping[str, str]) -> None:
    environment = {**os.environ, "CDK_OUTDIR": folder, "CDK_CONTEXT_JSON": json.dumps(context)}
    subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def code_bytes() -> int:
    """Return the size of the code that a device downloads: zipped, without the photographs."""
    with tempfile.TemporaryDirectory() as folder:
        _run((str(ROOT / "app.py"),), folder, _CORE)
        (code,) = [one.parent for one in Path(folder).glob("asset.*/component.py")]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(code.rglob("*")):
                if path.is_file() and _PHOTOGRAPHS not in path.parts:
                    packed.write(path, str(path.relative_to(code)))
        return len(archive.getvalue())
