"""``mli infer``: any artifact on any images, with one message per frame on stdout."""

from __future__ import annotations

import logging
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from inference.errors import InferenceError, ModelError
from inference.model.artifacts.onnx_files import onnx_file
from inference.model.engines.runnable import ONNX_RUNTIME
from inference.model.loaded import LoadedModel
from inference.model.profiles.profile import load_profile
from inference.pipeline.results import FrameResult
from inference.preflight import explained_errors
from inference.schema import ConfigurationError, Fault
from inference.serving.loading import load_model
from inference.settings import MESSAGE_FORMATS, InferenceSettings
from inference.sources import FrameSource
from inference.sources.frame import Frame
from inference.stopping import end_process
from stacks.component.onnx_format import limit_of_file

from ..cli.output import examples
from .artifact_profile import how_to_describe, profile_of

_PATIENCE_SECONDS = 20.0
"""A stream may take 8 s to open; after a loss it is opened again at once."""

if TYPE_CHECKING:  # it needs OpenCV, and a missing one is to be explained
    from inference.pipeline.pipeline import Pipeline, Sink

    from ..view.annotating import Annotator

_log = logging.getLogger("infer")


@click.command(
    epilog=examples(
        "mli infer --model model.tar.gz --images photos",
        "mli infer --model yolo11n.onnx --profile yolo.json --images photos",
        "mli infer --model build/fruit --profile fruit.json --images 'photos/*.jpg'",
        "mli infer --model model.tar.gz --images photos --annotate build/annotated",
    )
)
@click.option("--model", required=True, help="Artifact: a folder, a .tar.gz, a .zip or an .onnx.")
@click.option("--profile", help="Built-in name, or a .json file; default: the artifact's own.")
@click.option("--images", required=True, help="A folder, a file, or a quoted glob.")
@click.option(
    "--frames", type=click.IntRange(min=1), help="Frames to try; default: each image once."
)
@click.option(
    "--message-format",
    type=click.Choice(MESSAGE_FORMATS),
    default="list",
    show_default=True,
    help="Format of the payloads.",
)
@click.option(
    "--annotate",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write each frame with its predictions painted on it to a folder, as JPEG.",
)
def infer(
    model: str,
    profile: str | None,
    images: str,
    frames: int | None,
    message_format: str,
    annotate: Path | None,
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
            annotator = None if annotate is None else _annotator(annotate)
            loaded = _load(Path(model), profile, cleanup)
            failed = _predict(settings, loaded, frames, annotator)
    except InferenceError as error:
        click.echo(f"infer: {error}", err=True)
        end_process(error.exit_status)
    if failed:
        click.echo(failed, err=True)
    end_process(1 if failed else 0)


def _load(model: Path, profile: str | None, cleanup: ExitStack) -> LoadedModel:
    """Load ``model``; a file is unpacked into a folder that ``cleanup`` removes."""
    if not model.exists():
        raise ConfigurationError([Fault("--model", str(model), "there is no such file or folder")])
    known = profile if profile is not None else profile_of(model)
    if known is None:
        rule = "is required: the artifact has no profile of its own; " + how_to_describe(model)
        raise ConfigurationError([Fault("--profile", None, rule)])
    known_profile = load_profile(known)
    work = folder = _model_path(model)
    if not folder.is_dir():
        from tempfile import TemporaryDirectory

        work = Path(cleanup.enter_context(TemporaryDirectory(prefix="infer-")))
    try:
        loaded = load_model(folder, work, known_profile, "cpu")
    except ModelError as error:
        # What was unpacked is removed: name what the user knows.
        unpacked = rf"{re.escape(str(work))}/model-[0-9a-f]+(?:/model\.onnx)?"
        raise ModelError(re.sub(unpacked, lambda _: str(model), str(error))) from None
    if loaded.artifact.runtime == ONNX_RUNTIME:
        limit = limit_of_file(onnx_file(loaded.artifact.folder))
        if limit:
            _log.warning("the model %s", limit)
    return loaded


def _annotator(folder: Path) -> Annotator:
    """Return a sink that writes annotated frames to ``folder``, which is created."""
    from ..view.annotating import Annotator

    try:
        return Annotator(folder)
    except OSError as error:
        why = f"cannot be created: {error.strerror}"
        raise ConfigurationError([Fault("--annotate", str(folder), why)]) from None


def _predict(
    settings: InferenceSettings,
    loaded: LoadedModel,
    frames: int | None,
    annotator: Annotator | None,
) -> str | None:
    """Run the pipeline and return what is wrong with the run as a whole, if anything."""
    from inference.pipeline.pipeline import Pipeline
    from inference.pipeline.sinks import PredictionSink
    from inference.pipeline.skipped import SkippedFrames
    from inference.serving.assembly import build_stages, encoder_for

    lines = _Lines(lambda: pipeline.stop())
    sink = PredictionSink(encoder_for(settings, loaded), lines.write)
    sinks: list[Sink] = [_name_frame, sink, *([annotator] if annotator else [])]
    stages = build_stages(settings, loaded, sinks, repeat=frames is not None)
    # Here each frame has a line, so each that is skipped is named too.
    pipeline = Pipeline(stages, SkippedFrames(most_reasons=None))
    try:
        with _stopped_by_signals(pipeline.stop) as was_stopped, _patience(stages.source, pipeline):
            pipeline.run(frames)
        statuses = stages.source.statuses()
    finally:
        # A thread that reads a stream while the interpreter ends aborts the process.
        stages.source.close()
    counters = pipeline.counters
    _log.info(
        "%d frames: %d predicted, %d failed", counters.read, counters.predicted, counters.failed
    )
    if annotator is not None:
        _log.info("%d annotated frames are in %s", annotator.written, annotator.folder)
        if annotator.error is not None:
            return f"infer: --annotate {annotator.folder}: {annotator.error}"
    if lines.error is not None:
        return f"infer: the standard output: {lines.error.strerror}"
    if counters.predicted or was_stopped():
        return None
    why = "; ".join(status.reason for status in statuses if status.reason not in ("", "ended"))
    if any(status.frames for status in statuses):
        what, why = f"none of {counters.read} could be predicted", str(pipeline.last_error)
    else:
        what = f"none of {counters.read} could be read" if counters.read else "no frame came"
    return f"infer: --images {statuses[0].name}: {what}" + (f": {why}" if why else "")


@contextmanager
def _patience(source: FrameSource, pipeline: Pipeline) -> Iterator[None]:
    """Stop ``pipeline`` when no frame has come for a while: a lost source is tried forever."""
    done = threading.Event()

    def watch() -> None:
        if not done.wait(_PATIENCE_SECONDS) and not any(one.frames for one in source.statuses()):
            pipeline.stop()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _model_path(path: Path) -> Path:
    """Return ``path``, or the unpacked artifact if it is the packed form of a demo model."""
    if (path / "SHA256SUMS.packed").is_file():
        from models import store

        return store.unpacked(path.resolve().name)
    return path


def _name_frame(frame: Frame, result: FrameResult) -> None:
    """Log which frame the next payload is of: a message in the format `list` does not say that."""
    _log.info("frame %d: %s", frame.id, frame.source)


class _Lines:
    """Writes payloads to stdout; ``stop`` is called when that fails, as on a full disk.

    ``error`` is why it failed.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self.error: OSError | None = None

    def write(self, payload: bytes) -> None:
        """Write one line.

        Raises:
            OSError: if that fails, or has failed before.
        """
        if self.error is not None:
            raise self.error
        try:
            sys.stdout.buffer.write(payload + b"\n")
            sys.stdout.buffer.flush()
        except OSError as error:
            self.error = error
            self._stop()
            raise


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Call ``stop`` on SIGINT and SIGTERM, and yield whether there was one."""
    stopped = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        stopped.set()
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
