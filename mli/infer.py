"""``mli infer``: any artifact on any images, with one message per frame on stdout."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import click

from inference.component.loading import load_model
from inference.errors import InferenceError
from inference.model.loaded import LoadedModel
from inference.model.profile import load_profile
from inference.pipeline.results import FrameResult
from inference.preflight import explained_errors
from inference.schema import ConfigurationError, Fault
from inference.settings import MESSAGE_FORMATS, InferenceSettings
from inference.sources.frame import Frame
from local_core.artifact_profile import profile_of

from .cli.output import examples

_log = logging.getLogger("infer")


@click.command(
    epilog=examples(
        "mli infer --model model.tar.gz --images photos",
        "mli infer --model build/fruit --profile fruit.json --images 'photos/*.jpg'",
    )
)
@click.option("--model", required=True, help="Artifact: a folder, a .tar.gz or a .zip.")
@click.option("--profile", help="Built-in name, or a .json file; default: the artifact's own.")
@click.option("--images", required=True, help="A folder, a file, or a quoted glob.")
@click.option(
    "--frames", type=click.IntRange(min=1), help="Frames to try; default: each image once."
)
@click.option("--message-format", type=click.Choice(MESSAGE_FORMATS), default="list")
def infer(
    model: str, profile: str | None, images: str, frames: int | None, message_format: str
) -> None:
    """Predict IMAGES with MODEL: one JSON payload per frame on stdout, the log on stderr.

    The log names each frame just before its payload.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s"
    )
    settings = InferenceSettings(
        core_name="local", image_source=images, inference_interval=0, message_format=message_format
    )
    try:
        with explained_errors(), ExitStack() as cleanup:
            loaded = _load(Path(model), profile, cleanup)
            failed = _predict(settings, loaded, frames)
    except InferenceError as error:
        click.echo(f"infer: {error}", err=True)
        sys.exit(error.exit_status)
    sys.exit(failed)


def _load(model: Path, profile: str | None, cleanup: ExitStack) -> LoadedModel:
    """Load ``model``; an archive is unpacked into a folder that ``cleanup`` removes."""
    if not model.exists():
        raise ConfigurationError([Fault("--model", str(model), "there is no such file or folder")])
    known = profile if profile is not None else profile_of(model)
    if known is None:
        rule = "is required: the artifact has no profile of its own"
        raise ConfigurationError([Fault("--profile", None, rule, "gluoncv-ssd-voc")])
    known_profile = load_profile(known)
    work = folder = _model_path(model)
    if not folder.is_dir():
        from tempfile import TemporaryDirectory

        work = Path(cleanup.enter_context(TemporaryDirectory(prefix="infer-")))
    return load_model(folder, work, known_profile, "cpu")


def _predict(settings: InferenceSettings, loaded: LoadedModel, frames: int | None) -> str | None:
    """Run the pipeline and return what is wrong with the run as a whole, if anything."""
    from inference.component.assembly import build_stages, encoder_for
    from inference.pipeline.pipeline import Pipeline
    from inference.pipeline.sinks import PredictionSink

    sink = PredictionSink(encoder_for(settings, loaded), _write_line)
    stages = build_stages(settings, loaded, [_name_frame, sink], repeat=frames is not None)
    pipeline = Pipeline(stages)
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
    if (path / "SHA256SUMS.packed").is_file():
        from models import store

        return store.unpacked(path.resolve().name)
    return path


def _name_frame(frame: Frame, result: FrameResult) -> None:
    """Log which frame the next payload is of: a message in the format `list` does not say that."""
    _log.info("frame %d: %s", frame.id, frame.source)


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
