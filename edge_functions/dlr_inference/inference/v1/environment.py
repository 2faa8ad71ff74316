"""The configuration of a first-generation function: one environment variable per key.

The group's function definition sets them and the function reads them, both with this class.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Mapping

from ..schema import ConfigurationError, Fault
from ..settings import CORE_NAME, FEEDBACK_FIELDS, INFERENCE_FIELDS, InferenceSettings

RESOURCE_PREFIX = "AWS_GG_RESOURCE_PREFIX"
"""The core sets it: the folder below which a model resource has its destination path.
https://docs.aws.amazon.com/greengrass/v1/developerguide/access-ml-resources.html"""

MODEL_PATH = "MODEL_PATH"
MODEL_PROFILE = "MODEL_PROFILE"
FEEDBACK_CONNECTOR = "FEEDBACK_CONNECTOR"

_REQUIRED = {
    MODEL_PATH: "/dlr_model",
    MODEL_PROFILE: "gluoncv-ssd-voc",
    RESOURCE_PREFIX: "",
}


def variable_name(key: str) -> str:
    """Return the variable for a configuration key: ``TOP_K`` for ``topK``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).upper()


@dataclass(frozen=True)
class FunctionEnvironment:
    """Everything that the function needs to know.

    ``model_path`` is the model resource's destination path, ``model_profile`` a built-in name, or a
    path relative to the function's own folder. ``connector`` is the ARN by which the MLFeedback
    connector is invoked, None without feedback. ``resource_prefix`` is known on the core only.
    """

    settings: InferenceSettings
    model_path: str
    model_profile: str
    connector: str | None = None
    resource_prefix: str = field(default="", compare=False)

    @property
    def model_folder(self) -> str:
        """Where the model is on this core."""
        return self.resource_prefix + self.model_path

    def to_variables(self) -> dict[str, str]:
        """Return the variables that :meth:`from_variables` reads back."""
        variables = {
            variable_name(key): value if isinstance(value, str) else _json(value)
            for key, value in self.settings.to_configuration().items()
        }
        variables[MODEL_PATH] = self.model_path
        variables[MODEL_PROFILE] = self.model_profile
        if self.connector is not None:
            variables[FEEDBACK_CONNECTOR] = self.connector
        return variables

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> FunctionEnvironment:
        """Read a process's environment; other variables in it are ignored.

        Raises:
            ConfigurationError: naming every value that breaks its rule, and every missing variable.
        """
        faults = [
            Fault(name, None, "is required; the core or the group's function sets it", example)
            for name, example in _REQUIRED.items()
            if not variables.get(name)
        ]
        keys = [field.key for field in (CORE_NAME, *INFERENCE_FIELDS, *FEEDBACK_FIELDS)]
        named = {key: variables.get(variable_name(key)) for key in keys}
        given = {key: value for key, value in named.items() if value is not None}
        try:
            settings = InferenceSettings.from_configuration(given)
        except ConfigurationError as error:
            raise ConfigurationError([*error.faults, *faults]) from None
        connector = variables.get(FEEDBACK_CONNECTOR)
        if settings.feedback is not None and not connector:
            rule = "is required by feedbackConfiguration: the ARN of the connector's function"
            faults.append(Fault(FEEDBACK_CONNECTOR, None, rule))
        if faults:
            raise ConfigurationError(faults)
        return cls(
            settings=settings,
            model_path=variables[MODEL_PATH],
            model_profile=variables[MODEL_PROFILE],
            connector=connector,
            resource_prefix=variables[RESOURCE_PREFIX].rstrip("/"),
        )


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
