"""``mli run``: the whole system on this machine, deployed as to AWS."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from inference import settings
from inference.schema import ConfigurationError
from inference.sources.specification import STATIC_SOURCE, Files, parse_sources
from local_core.device.generations import GENERATIONS
from local_core.nucleus.dialect import NUCLEI
from local_core.output.progress import Progress
from local_core.processes.environments import for_local_cloud
from local_core.processes.interrupts import Interrupted, Interrupts
from local_core.run.target import Target
from models import store

from ..cli.options import refuse_given
from ..cli.output import examples
from .artifact_profile import how_to_describe, profile_of
from .failures import FAILURES, reported
from .options import nucleus_option, region_option
from .runner import Runner

SAMPLE_PHOTOGRAPHS = 4
"""The number of photographs of ``imageSource=static``: by default each is predicted once."""
INTERVAL_SECONDS = 0.2
PREVIEW_SECONDS = 2
KEPT_SAMPLES_AN_HOUR = 600
"""The limit of cores that stay up, because the local cloud keeps samples in memory, 75 kB each.
Other cores have none: a short run is to show some.
"""
DEMOS: Mapping[int, Sequence[str]] = {
    1: ("efficientnet-lite0-imagenet", "ssdlite-mobilenet-v2-coco"),
    2: ("efficientnet-lite0-imagenet", "ssdlite-mobilenet-v2-coco-onnx"),
}
"""The demo models by generation: a classifier and a detector, in V2 one for each runtime."""


@click.command(
    epilog=examples(
        "mli run",
        "mli run --greengrass-version 1",
        "mli run --keep",
        "mli run --region eu-west-1",
        "mli run --model model.tar.gz --profile model.json --images 'photos/*.jpg'",
    )
)
@click.option(
    "--greengrass-version",
    type=click.Choice(sorted(map(str, GENERATIONS))),
    default="2",
    help="The generation of Greengrass.",
)
@click.option(
    "--frames",
    type=click.IntRange(min=1),
    default=SAMPLE_PHOTOGRAPHS,
    show_default=True,
    help="Predictions to wait for per model.",
)
@click.option("--images", help="A folder, a file, or a quoted glob; default: the photographs.")
@click.option("--model", help="An artifact: folder, archive or .onnx; default: the demo models.")
@click.option("--profile", help="The model's profile: a built-in name, or a .json file.")
@click.option(
    "--message-format",
    type=click.Choice(settings.MESSAGE_FORMATS),
    help="Format of the messages; default: list, with --view envelope.",
)
@region_option
@nucleus_option
@click.option("--keep", is_flag=True, help="Leave the cloud and the cores up until Ctrl-C.")
@click.option("--view", is_flag=True, help="Show what the cores see on a local page, until Ctrl-C.")
def run(
    greengrass_version: str,
    frames: int,
    images: str | None,
    model: str | None,
    profile: str | None,
    message_format: str | None,
    region: str,
    nucleus: str,
    keep: bool,
    view: bool,
) -> None:
    """Deploy the app to a cloud on this machine, and run a core that carries out the deployment.

    Each model gets its own core, whose folder below build/local-core outlives the run. With --keep,
    end the run with Ctrl-C; the exit status is then 0.
    """
    if not GENERATIONS[int(greengrass_version)].has_nucleus:
        refuse_given("nucleus", because="is for --greengrass-version 2")
    image_source = STATIC_SOURCE if images is None else _absolute_images(images)
    message_format = message_format or ("envelope" if view else "list")
    progress = Progress()
    try:
        with for_local_cloud(), Interrupts() as interrupts:
            targets = [
                Target(
                    _core_name(name),
                    folder,
                    known,
                    image_source,
                    message_format,
                    INTERVAL_SECONDS,
                    int(greengrass_version),
                    preview_seconds=PREVIEW_SECONDS if view and greengrass_version == "2" else 0,
                    samples_an_hour=KEPT_SAMPLES_AN_HOUR if keep or view else 0,
                )
                for name, folder, known in _models(
                    model, profile, DEMOS[int(greengrass_version)], progress
                )
            ]
            try:
                with Runner(
                    progress,
                    interrupts,
                    region=region,
                    keep=keep or view,
                    nucleus=NUCLEI[nucleus],
                    view=view,
                ) as runner:
                    runner.run(targets, frames)
            except FAILURES:
                interrupts.check()  # a step that was stopped reports a failure of its own
                raise
    except Interrupted as interruption:
        progress.say(str(interruption))
        raise click.exceptions.Exit(interruption.exit_code) from None
    except FAILURES as failure:
        raise reported(failure) from failure


def _models(
    model: str | None, profile: str | None, demos: Sequence[str], progress: Progress
) -> list[tuple[str, Path, str]]:
    """Return name, file and profile of each model to run."""
    if model is not None:
        return [_chosen_model(Path(model), profile)]
    if profile is not None:
        raise click.UsageError("--profile describes a --model: give both, or neither")
    found = []
    for name in demos:
        progress.say(f"{name}: unpacking the model")
        found.append((name, store.unpacked(name), name))
    return found


def _chosen_model(model: Path, profile: str | None) -> tuple[str, Path, str]:
    is_demo = model.name in store.demo_models() and not model.exists()
    if not (is_demo or model.exists()):
        raise click.UsageError(f"--model {model}: there is no such file or folder")
    profile = profile if profile is not None else profile_of(model)
    if profile is None:
        raise click.UsageError(
            f"--model needs a --profile that describes it; {how_to_describe(model)}"
        )
    if is_demo or (model / store.PACKED_DIGESTS).exists():
        model = store.unpacked(model.name)
    file = Path(profile)
    known = str(file.resolve()) if file.is_file() else profile
    return model.name.split(".")[0], model.resolve(), known


def _core_name(model: str) -> str:
    return "Demo-" + re.sub(r"[^a-zA-Z0-9_-]", "-", model)[:40]


def _absolute_images(images: str) -> str:
    """Return ``images`` as an absolute path, because the component runs in another folder.

    A camera, a stream or another source that is not a path is returned unchanged.
    """
    if glob.glob(images):  # noqa: PTH207 - absolute patterns, as on the device
        return str(Path(images).absolute())
    try:
        [specification] = parse_sources(images)
    except ConfigurationError as error:
        raise click.UsageError(f"--images: {error}") from None
    except ValueError:
        return images  # several sources
    if isinstance(specification, Files):
        raise click.UsageError(f"--images {images}: there is no such file or folder")
    return images
