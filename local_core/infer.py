"""``python -m local_core infer``: any artifact on any images, with a message a frame on stdout."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from inference.artifact import open_artifact
from inference.assembly import build_pipeline
from inference.errors import ModelError
from inference.profile import load_profile
from inference.schema import ConfigurationError, Fault
from inference.settings import MESSAGE_FORMATS, InferenceSettings
from inference.sources import open_source
from models import store

_log = logging.getLogger("infer")


@click.command()
@click.option("--model", required=True, help="Artifact: a folder, a .tar.gz or a .zip.")
@click.option("--profile", required=True, help="Built-in name, or path of a .json file.")
@click.option("--images", required=True, help="A folder, a file, or a quoted glob.")
@click.option(
    "--frames", type=click.IntRange(min=1), help="Frames to try; default: each image once."
)
@click.option("--message-format", type=click.Choice(MESSAGE_FORMATS), default="list")
def infer(model: str, profile: str, images: str, frames: int | None, message_format: str) -> None:
    """Predict IMAGES with MODEL: one JSON payload a frame on stdout, the log on stderr."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s"
    )
    settings = InferenceSettings(
        core_name="local", image_source=images, inference_interval=0, message_format=message_format
    )
    try:
        with tempfile.TemporaryDirectory(prefix="infer-") as work:
            failed = _predict(settings, model, profile, frames, Path(work))
    except (ConfigurationError, ModelError, OSError) as error:
        raise SystemExit(f"infer: {error}") from None
    sys.exit(failed)


def _predict(
    settings: InferenceSettings, model: str, profile: str, frames: int | None, work: Path
) -> str | None:
    """Run the pipeline and return what is wrong with the run as a whole, if anything."""
    pipeline = build_pipeline(
        settings,
        load_profile(profile),
        open_artifact(_model_path(Path(model)), work),
        _write_line,
        source=open_source(settings.image_source, repeat=frames is not None),
    )
    with _stopped_by_signals(pipeline.stop):
        pipeline.run(frames)
    counters = pipeline.counters
    _log.info(
        "%d frames: %d predicted, %d failed", counters.read, counters.predicted, counters.failed
    )
    if counters.read and not counters.predicted:
        return f"infer: --images {settings.image_source}: none of {counters.read} could be read"
    return None


def _model_path(path: Path) -> Path:
    """Return ``path``, or the unpacked artifact if it is the packed form of a demo model."""
    if (path / store.PACKED_DIGESTS).is_file():
        return store.unpacked(path.resolve().name)
    if not path.exists():
        raise ConfigurationError([Fault("--model", str(path), "there is no such file or folder")])
    return path


def _write_line(payload: bytes) -> None:
    sys.stdout.buffer.write(payload + b"\n")
    sys.stdout.buffer.flush()


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
