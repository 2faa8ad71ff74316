"""The second generation's way in: load what is needed first, then run the component."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Any

from .errors import ModelError
from .greengrass_ipc import Nucleus
from .loading import load_model
from .profile import load_profile
from .settings import InferenceSettings

_log = logging.getLogger(__name__)


def run(work: Path, model: Path, profile_name: str, *, seed: str | None) -> None:
    """Predict with the nucleus's configuration until SIGTERM or SIGINT, then drain what waits.

    ``seed`` makes the random sampling strategy repeatable.

    Raises:
        ConfigurationError: if a setting or the profile is wrong.
        ModelError: if the model cannot be used.
        OSError: if the nucleus cannot be reached.
    """
    profile = load_profile(profile_name)
    nucleus = Nucleus()
    settings = InferenceSettings.from_configuration(nucleus.configuration())
    try:
        used = Path(settings.model_override) if settings.model_override else model
        loaded = load_model(used, work, profile, settings.accelerator, try_once=True)
        from .component import Component  # needs OpenCV, imported while the model loaded

        component = Component(settings, loaded, nucleus, model=model, work=work, seed=seed)

        def stop(number: int, _: Any) -> None:
            _log.info("stopping on %s", signal.Signals(number).name)
            component.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        component.run()
    except ModelError as error:
        from .component import report_no_model

        report_no_model(nucleus, settings, error)
        raise
    finally:
        nucleus.close()
