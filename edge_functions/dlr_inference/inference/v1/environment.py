"""The configuration of a first-generation function, in environment variables: one per key.

The group's function definition sets them and the function reads them back, both with this class.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Mapping

from ..feedback.configuration import FeedbackConfiguration, FeedbackConfigurations
from ..schema import ConfigurationError, Fault, snake_case
from ..settings import FEEDBACK_RATE_LIMIT, SETTINGS_FIELDS, InferenceSettings

RESOURCE_PREFIX = "AWS_GG_RESOURCE_PREFIX"
"""The core sets it: a model resource lies there, below its destination path.
https://docs.aws.amazon.com/greengrass/v1/developerguide/access-ml-resources.html"""

MODEL_PATH = "MODEL_PATH"
MODEL_PROFILE = "MODEL_PROFILE"
FEEDBACK_CONNECTOR = "FEEDBACK_CONNECTOR"
INFERENCE_CONNECTOR = "INFERENCE_CONNECTOR"

_OF_MODEL = {MODEL_PATH: "/dlr_model", RESOURCE_PREFIX: ""}
"""Required, unless a connector has the model."""

_REQUIRED = {MODEL_PROFILE: "gluoncv-ssd-voc"}


def variable_name(key: str) -> str:
    """Return the variable that carries a configuration key: ``topK`` is in ``TOP_K``."""
    return snake_case(key).upper()


@dataclass(frozen=True)
class FunctionEnvironment:
    """Everything that configures the function.

    ``model_path`` is the model resource's destination path, ``model_profile`` a built-in name, or a
    path relative to the function's own folder. ``connector`` is the ARN by which the MLFeedback
    connector is invoked, None without feedback. ``service`` is that of the Image Classification
    connector, which then has the model; None if the function predicts by itself.
    ``resource_prefix`` is only known on the core.
    """

    settings: InferenceSettings
    model_path: str
    model_profile: str
    connector: str | None = None
    service: str | None = None
    resource_prefix: str = field(default="", compare=False)

    @property
    def model_folder(self) -> str:
        """The path of the model on this core."""
        return self.resource_prefix + self.model_path

    def to_variables(self) -> dict[str, str]:
        """Return the variables that :meth:`from_variables` reads back."""
        variables = {
            variable_name(key): value if isinstance(value, str) else _json(value)
            for key, value in self.settings.to_configuration().items()
            if key != FEEDBACK_RATE_LIMIT.key  # AWS's connector has none
        }
        if self.service is None:
            variables[MODEL_PATH] = self.model_path
        else:
            variables[INFERENCE_CONNECTOR] = self.service
        variables[MODEL_PROFILE] = self.model_profile
        if self.connector is not None:
            variables[FEEDBACK_CONNECTOR] = self.connector
        return variables

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> FunctionEnvironment:
        """Read a process's environment; other variables in it are ignored.

        Raises:
            ConfigurationError: with every invalid value and every missing variable.
        """
        service = variables.get(INFERENCE_CONNECTOR) or None
        required = _REQUIRED if service else {**_OF_MODEL, **_REQUIRED}
        faults = [
            Fault(name, None, "is required; the core or the group's function sets it", example)
            for name, example in required.items()
            if not variables.get(name)
        ]
        named = {one.key: variables.get(variable_name(one.key)) for one in SETTINGS_FIELDS}
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
            model_path="" if service else variables[MODEL_PATH],
            model_profile=variables[MODEL_PROFILE],
            connector=connector,
            service=service,
            resource_prefix=variables.get(RESOURCE_PREFIX, "").rstrip("/"),
        )


def served_by_service(feedback: FeedbackConfigurations) -> FeedbackConfiguration:
    """Return the configuration to which the Image Classification connector offers each frame.

    It takes one only, here the first. The function offers its frames to the others.
    """
    return feedback.all[0]


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
