"""``python -m local_core run``: synthesise the app, carry out its deployment, show predictions."""

from __future__ import annotations

import glob
import re
import time
from contextlib import ExitStack
from pathlib import Path

import click

from inference import names, settings
from models import store

from .assembly import Assembly, AssemblyError
from .interrupts import Interrupted, Interrupts
from .nucleus.artifacts import ArtifactError
from .nucleus.core import CoreBusyError
from .nucleus.recipe import RecipeError
from .progress import Progress, RunTimes, summary
from .session import RunError, Session
from .synthesis import REPOSITORY, Synthesis, SynthesisError, Target

STATE = REPOSITORY / "build" / "local-core"
SAMPLE_PHOTOGRAPHS = 4
"""So many photographs are behind ``imageSource=static``: by default each is predicted once."""
INTERVAL_SECONDS = 0.2

_FAILURES = (
    ArtifactError,
    AssemblyError,
    CoreBusyError,
    OSError,
    RecipeError,
    RunError,
    SynthesisError,
    store.DamagedModelError,
)


@click.command()
@click.option(
    "--frames",
    type=click.IntRange(min=1),
    default=SAMPLE_PHOTOGRAPHS,
    show_default=True,
    help="Predictions to wait for, of each model.",
)
@click.option("--images", help="A folder, a file, or a quoted glob; default: the photographs.")
@click.option("--model", help="An artifact's folder or archive; default: the demo models.")
@click.option("--profile", help="The model's profile: a built-in name, or a .json file.")
@click.option(
    "--message-format", type=click.Choice(settings.MESSAGE_FORMATS), default="list", help="Form."
)
def run(
    frames: int, images: str | None, model: str | None, profile: str | None, message_format: str
) -> None:
    """Synthesise the app and run what its template deploys on a core in this process.

    Each model gets a core of its own, whose folder below build/local-core outlives the run.
    """
    image_source = settings.STATIC_SOURCE if images is None else _absolute_images(images)
    progress = Progress()
    try:
        with Interrupts() as interrupts:
            targets = _targets(model, profile, image_source, message_format, progress)
            _run_all(targets, frames, progress, interrupts)
    except Interrupted as interruption:
        progress.say(str(interruption))
        raise click.exceptions.Exit(interruption.exit_code) from None
    except _FAILURES as failure:
        raise click.ClickException(str(failure)) from failure


def _run_all(
    targets: list[Target], frames: int, progress: Progress, interrupts: Interrupts
) -> None:
    """Run one core after the other; the next one's template is made while this one predicts."""
    times = []
    with ExitStack() as syntheses:
        coming = syntheses.enter_context(Synthesis(targets[0]))
        for number, target in enumerate(targets, start=1):
            began = time.monotonic()
            progress.say(f"{target.core_name}: cdk synth, modelProfile={target.profile}")
            assembly = Assembly.load(coming.wait(interrupts))
            if number < len(targets):
                coming = syntheses.enter_context(Synthesis(targets[number]))
            times.append(_run_one(target, assembly, frames, began, progress, interrupts))
    click.echo("\n" + summary(times))


def _run_one(
    target: Target,
    assembly: Assembly,
    frames: int,
    began: float,
    progress: Progress,
    interrupts: Interrupts,
) -> RunTimes:
    progress.say(f"{target.core_name}: starting a core in {STATE / target.core_name}")
    session = Session(
        root=STATE / target.core_name,
        prediction_topic=names.prediction_topic(target.core_name),
        progress=progress,
        interrupts=interrupts,
    )
    outcome = session.run(assembly, frames)
    first, last = outcome.predictions[0], outcome.predictions[-1]
    return RunTimes(
        model=target.profile,
        setup=outcome.install_began - began,
        install=outcome.run_began - outcome.install_began,
        first_prediction=first - outcome.run_began,
        frames=len(outcome.predictions),
        all_frames=last - first,
    )


def _targets(
    model: str | None,
    profile: str | None,
    image_source: str,
    message_format: str,
    progress: Progress,
) -> list[Target]:
    if model is not None:
        return [_chosen_target(Path(model), profile, image_source, message_format)]
    if profile is not None:
        raise click.UsageError("--profile describes a --model: give both, or neither")
    targets = []
    for name in store.demo_models():
        progress.say(f"{name}: unpacking the model")
        folder = store.unpacked(name)
        targets.append(_target(name, folder, name, image_source, message_format))
    return targets


def _chosen_target(
    model: Path, profile: str | None, image_source: str, message_format: str
) -> Target:
    if profile is None:
        raise click.UsageError("--model needs a --profile that describes it")
    is_packed = (model / store.PACKED_DIGESTS).exists()
    if is_packed or (model.name in store.demo_models() and not model.exists()):
        model = store.unpacked(model.name)
    if not model.exists():
        raise click.UsageError(f"--model {model}: there is no such file or folder")
    file = Path(profile)
    known = str(file.resolve()) if file.is_file() else profile
    name = model.name.split(".")[0]
    return _target(name, model.resolve(), known, image_source, message_format)


def _target(name: str, model: Path, profile: str, image_source: str, message_format: str) -> Target:
    core_name = "Demo-" + re.sub(r"[^a-zA-Z0-9_-]", "-", name)[:40]
    return Target(core_name, model, profile, image_source, message_format, INTERVAL_SECONDS)


def _absolute_images(images: str) -> str:
    """Return ``images`` as the component will need it, which runs in a folder of its own."""
    if not glob.glob(images):  # noqa: PTH207 - absolute patterns, as on the device
        raise click.UsageError(f"--images {images}: there is no such file or folder")
    return str(Path(images).absolute())
