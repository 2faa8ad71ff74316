"""Entry point of the second generation: loads what is needed first, then runs the component."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

from ..clock import watch_clock
from ..errors import InferenceError
from ..memory import share_one_heap
from ..model.profiles.profile import ModelProfile, load_profile
from ..preflight import explained_errors
from ..serving.loading import load_model
from ..settings import InferenceSettings
from ..stopping import StopSignal, end_process
from .nucleus import Nucleus, component_name

if TYPE_CHECKING:
    from .component import Component


def run(work: Path, model: Path, profile_name: str, *, seed: str | None) -> None:
    """Predict with the nucleus's configuration until SIGTERM or SIGINT, then drain what waits.

    ``seed`` makes the random sampling strategy repeatable.

    Raises:
        SystemExit: always; with a status that is not 0 after logging and reporting it, if a setting
            or the profile is wrong, the model cannot be used, or a library is missing.
        OSError: if the nucleus cannot be reached.
    """
    share_one_heap()
    stop = StopSignal()
    watch_clock()
    nucleus = Nucleus()
    configuration: Mapping[str, Any] = {}
    status = 0
    try:
        with explained_errors():
            configuration = nucleus.configuration()
            component = _component(
                InferenceSettings.from_configuration(configuration),
                load_profile(profile_name),
                nucleus,
                model=model,
                work=work,
                seed=seed,
            )
            gc.freeze()  # what was imported stays, and is never searched
            gc.enable()
            stop.call(component.stop, component.keep)
            component.run(stop.deadline)
    except InferenceError as error:
        if error.health_fault is None:
            raise
        from .failure import report_failure

        report_failure(nucleus, configuration, error, component_name(model))
        status = error.exit_status
    finally:
        nucleus.close()
    end_process(status)


def _component(
    settings: InferenceSettings,
    profile: ModelProfile,
    nucleus: Nucleus,
    *,
    model: Path,
    work: Path,
    seed: str | None,
) -> Component:
    """Load the model and give it to the component alone, so that replacing it frees its memory."""
    used = Path(settings.model_override) if settings.model_override else model
    loaded = load_model(used, work, profile, settings.accelerator, try_once=True)
    from .component import Component  # needs OpenCV, imported while the model loaded

    return Component(settings, loaded, nucleus, model=model, work=work, seed=seed)
