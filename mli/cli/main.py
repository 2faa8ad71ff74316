"""``mli``: the one command for everything that is not ``cdk``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

try:
    import click
except ModuleNotFoundError:
    wanted = Path(__file__).resolve().parents[2] / "requirements-operate.txt"
    sys.exit(f"mli: its packages are not installed: pip install -r {wanted}")

from .lazy_group import LazyCommand, LazyGroup
from .output import examples

COMMANDS = {
    "run": LazyCommand(
        "mli.local.run", "run", "Deploy the app to a local cloud, and run its cores."
    ),
    "cloud": LazyCommand(
        "mli.local.cloud", "cloud", "Start a cloud on this machine, until Ctrl-C."
    ),
    "core": LazyCommand(
        "mli.local.core", "core", "Run the core that a set-up archive was written for."
    ),
    "infer": LazyCommand(
        "mli.local.infer", "infer", "Predict images with a model, without a core."
    ),
    "train": LazyCommand(
        "mli.sagemaker.train", "train", "Train a detector or a classifier on Amazon SageMaker."
    ),
    "compile": LazyCommand(
        "mli.compile.command", "compile", "Prepare a model for a core, here or with SageMaker Neo."
    ),
    "profile": LazyCommand(
        "mli.profile.command", "profile", "Inspect an artifact, propose its profile, and try it."
    ),
    "certificate": LazyCommand(
        "mli.device.certificates.certificate",
        "certificate",
        "Create a core's key, and its certificate or a request.",
    ),
    "package": LazyCommand(
        "mli.device.packaging.package",
        "package",
        "Write greengrass-setup.zip, which sets up a device.",
    ),
    "redeploy": LazyCommand(
        "mli.device.deployments.redeploy",
        "redeploy",
        "Repeat a core's deployment, and wait for its result.",
    ),
    "status": LazyCommand(
        "mli.device.reports.status",
        "status",
        "Show whether a core is alive, what it runs, and why it failed.",
    ),
    "view": LazyCommand(
        "mli.view.command", "view", "Show what cores see on a local page, live, with boxes."
    ),
    "samples": LazyCommand(
        "mli.samples.command", "samples", "List, download and export what feedback kept."
    ),
    "watch": LazyCommand("mli.watch.command", "watch", "Print predictions and telemetry, live."),
    "fleet": LazyCommand(
        "mli.fleet.group", "fleet", "Create the cores of a fleet, change them, and remove them."
    ),
    "clean": LazyCommand(
        "mli.fleet.removing.clean",
        "clean",
        "Delete component versions that no core needs any more.",
    ),
    "templates": LazyCommand(
        "mli.templates.command", "templates", "Check the templates of many cores for changes."
    ),
    "demo": LazyCommand("mli.demo.commands", "demo", "Unpack the demo models, or rebuild them."),
}
"""Each command by its name, in the order in which a user meets them."""

_EXAMPLES = examples(
    "mli run                     # deploy to a local cloud, and predict the sample images",
    "mli certificate Demo        # the first step to a core on AWS",
    "mli status Demo",
)


@click.group(
    "mli",
    epilog=_EXAMPLES,
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
def main() -> None:
    """Run image inference on this machine, and take a trained model to cores on AWS.

    Each command checks its input first, reports progress on stderr, can be repeated, and prints the
    next step. `mli COMMAND --help` has examples. Exit status: 0 done, 1 failed, 2 wrong usage,
    130 interrupted.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed, as by >&-
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the process ends
