"""Greengrass V2 component: ``install`` prepares what ``run`` needs; ``run`` predicts."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from pathlib import Path

from inference.component.environment import (
    bytecode_folder,
    environment_path,
    is_complete,
    lacking_packages,
    python_of,
    requirement_lists,
)
from inference.errors import InferenceError
from inference.model.engines.runnable import DLR, RUNTIMES
from inference.preflight import explained_errors
from inference.serving.installing import installing, wait_for_install

CODE = Path(__file__).absolute().parent

_log = logging.getLogger("dlr_inference")


def main(arguments: list[str] | None = None) -> int:
    """Run one lifecycle step; return its exit status. A failure is one line on stderr."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        with explained_errors():
            step = install if options.step == "install" else run
            step(options.work, options.model, options.profile, options.runtime)
    except InferenceError as error:
        _log.error("%s failed: %s", options.step, error)
        return error.exit_status
    return 0


def install(work: Path, model: Path, profile: str, runtime: str) -> None:
    """Create the Python environment for the engine ``runtime``, and unpack and check the model.

    Idempotent, and fast the second time, because a nucleus installs at each of its starts.
    """
    # What only this step needs: the other one starts this module twice, in two Pythons.
    from inference.component.creation import compile_code, create_environment
    from inference.model.artifacts.artifact import check_runtime, open_artifact
    from inference.model.artifacts.digests import record_digests
    from inference.model.artifacts.unpacking import remove_leftovers
    from inference.model.profiles.profile import load_profile

    load_profile(profile)
    with installing(work):
        artifact = open_artifact(model, work)
        check_runtime(artifact, runtime)
        environment = create_environment(work, requirement_lists(CODE, runtime))
        if work in artifact.folder.parents and not artifact.has_digests:
            record_digests(artifact.folder)
        remove_leftovers(work, artifact.folder)
        compile_code(CODE, environment, runtime)
    _log.info("installed: %s, %s", environment, artifact.folder)


def run(work: Path, model: Path, profile_name: str, runtime: str) -> None:
    """Predict with the nucleus's configuration until SIGTERM or SIGINT, then end with status 0.

    It waits for an ``install`` that runs at the same time, as on nucleus lite. On a workstation,
    where nothing is installed, a Python that has all packages is used as it is.
    """
    environment = environment_path(work, requirement_lists(CODE, runtime))
    if Path(sys.prefix).resolve() != environment.resolve():
        has_packages = not lacking_packages(runtime)
        wait_for_install(work, lambda: is_complete(environment) or has_packages)
        if is_complete(environment):
            _replace_process(environment)
    gc.disable()  # it would search again and again what is imported; main enables it
    from inference.component import main as v2

    v2.run(work, model, profile_name, seed=os.environ.get("FEEDBACK_SEED"))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("install", "run"))
    parser.add_argument("--work", type=Path, required=True, help="the component's work folder")
    parser.add_argument("--model", type=Path, required=True, help="artifact: folder or file")
    parser.add_argument("--profile", required=True, help="built-in name, or path of a .json file")
    parser.add_argument("--runtime", choices=RUNTIMES, default=DLR, help="the model's engine")
    return parser.parse_args(arguments)


def _replace_process(environment: Path) -> None:
    """Continue as the environment's Python in the same process, which the nucleus stops."""
    python = str(python_of(environment))
    os.environ["PYTHONPYCACHEPREFIX"] = str(bytecode_folder(environment))
    # Only ``install`` writes bytecode, because it syncs: a power cut must leave no half of a file.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.stderr.flush()
    os.execv(python, [python, *sys.argv])


if __name__ == "__main__":
    sys.exit(main())
