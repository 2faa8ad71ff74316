"""Greengrass V2 component: ``install`` prepares what ``run`` needs, ``run`` predicts."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from inference.artifact import open_artifact
from inference.digests import record_digests
from inference.environment import environment_path, is_complete, make_environment, python_of
from inference.errors import ModelError
from inference.names import prediction_topic
from inference.profile import load_profile
from inference.schema import ConfigurationError
from inference.settings import InferenceSettings
from inference.unpacking import remove_leftovers

REQUIREMENTS = Path(__file__).parent / "requirements.txt"

_log = logging.getLogger("dlr_inference")


def main(arguments: list[str] | None = None) -> int:
    """Run one lifecycle step; return its exit status. A failure is one line on stderr."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        if options.step == "install":
            install(options.work, options.model, options.profile)
        else:
            run(options.work, options.model, options.profile)
    except (ConfigurationError, ModelError, OSError) as error:
        _log.error("%s failed: %s", options.step, error)
        return 1
    return 0


def install(work: Path, model: Path, profile: str) -> None:
    """Make the Python environment, and unpack and check the model.

    Idempotent and quick the second time, since a nucleus installs at each of its starts.
    """
    load_profile(profile)
    environment = make_environment(work, REQUIREMENTS)
    artifact = open_artifact(model, work)
    if work in artifact.folder.parents and not artifact.has_digests:
        record_digests(artifact.folder)
    remove_leftovers(work, artifact.folder)
    _log.info("installed: %s, %s", environment, artifact.folder)


def run(work: Path, model: Path, profile_name: str) -> None:
    """Predict with the nucleus's configuration until SIGTERM or SIGINT, then end with status 0."""
    environment = environment_path(work, REQUIREMENTS)
    if Path(sys.prefix) != environment and is_complete(environment):
        _replace_process(environment)
    from inference.greengrass_ipc import Nucleus
    from inference.loading import load_model

    profile = load_profile(profile_name)
    nucleus = Nucleus()
    settings = InferenceSettings.from_configuration(nucleus.configuration())
    loaded = load_model(model, work, profile, settings.accelerator, try_once=True)
    from inference.assembly import build_pipeline  # needs OpenCV, imported while the model loaded
    from inference.sources import open_source

    topic = prediction_topic(settings.core_name)
    pipeline = build_pipeline(
        settings,
        loaded,
        open_source(settings.image_source, repeat=True),
        lambda payload: nucleus.publish_to_iot_core(topic, payload),
    )

    def stop(number: int, _: Any) -> None:
        _log.info("stopping on %s", signal.Signals(number).name)
        pipeline.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    pipeline.run()
    _log.info("stopped: %s", pipeline.counters)
    nucleus.close()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("install", "run"))
    parser.add_argument("--work", type=Path, required=True, help="the component's work folder")
    parser.add_argument("--model", type=Path, required=True, help="artifact: folder or archive")
    parser.add_argument("--profile", required=True, help="built-in name, or path of a .json file")
    return parser.parse_args(arguments)


def _replace_process(environment: Path) -> None:
    """Go on as the environment's Python in this same process, the one that the nucleus stops."""
    python = str(python_of(environment))
    sys.stderr.flush()
    os.execv(python, [python, *sys.argv])


if __name__ == "__main__":
    sys.exit(main())
