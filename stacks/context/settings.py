"""The context of ``cdk synth`` and ``cdk deploy``, parsed once, before any construct exists."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from inference import schema
from inference import settings as device
from inference.feedback.configuration import FeedbackConfigurations, default_configuration
from stacks.component.model_source import S3Object
from stacks.context import rules as context_checks
from stacks.context.keys import CONTEXT_FIELDS, own_context
from stacks.context.report import mended_by_option

_SIMULATOR_TYPES = {"x86_64": "t3.medium", "arm64": "t4g.medium"}


@dataclass(frozen=True)
class FeedbackSettings:
    """Where samples go, and which. ``bucket_name`` None: the stack makes the bucket.

    A configuration that names a bucket of its own keeps it; ``bucket_name`` is for the others.
    """

    bucket_name: str | None
    configuration: FeedbackConfigurations


@dataclass(frozen=True)
class Settings:
    """Everything that a user says about one core, checked.

    ``certificate`` is an id or an ARN; when it is None, ``certificate_signing_request`` is the PEM
    text from which the certificate is made. ``model`` is an object in S3, or a folder or archive
    here; ``model_profile`` is a built-in name or a path. ``feedback`` None keeps no samples;
    ``feedback_request_limit`` is the connector's text, empty for no limit.
    ``thing_group_name`` is of the fleet that follows this core, None for none.
    ``simulator_key_name`` and ``simulator_ssh_cidr`` are given both or not at all.
    """

    certificate: str | None
    certificate_signing_request: str | None
    model: S3Object | Path
    model_profile: str
    greengrass_version: Literal[1, 2]
    thing_group_name: str | None
    inference: device.InferenceSettings
    feedback: FeedbackSettings | None
    feedback_request_limit: str
    dependencies: Literal["online", "bundled"]
    architecture: Literal["x86_64", "aarch64"]
    simulator: bool
    simulator_instance_type: str
    simulator_architecture: Literal["x86_64", "arm64"]
    simulator_key_name: str | None
    simulator_ssh_cidr: str | None

    @property
    def core_name(self) -> str:
        """The core's name, which ends its topics and begins the names of what it owns."""
        return self.inference.core_name

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> "Settings":
        """Parse an app's context: values are strings after ``-c``, JSON's types after cdk.json.

        CDK's own keys are left alone.

        Raises:
            ConfigurationError: naming every unknown key, every value that breaks its rule, and
                every key that is missing; the example of each is the ``-c`` that mends it.
        """
        own = own_context(dict(context))
        parsed, found = schema.parse_fields(CONTEXT_FIELDS, own)
        faults = [mended_by_option(fault) for fault in found]
        faults += context_checks.between_keys(own, parsed)
        faults += context_checks.of_profile(parsed["modelProfile"], parsed["classes"])
        _raise_if_any(faults)
        settings = cls._from_parsed(parsed)
        _raise_if_any(context_checks.of_size(settings.inference))
        return settings

    @classmethod
    def _from_parsed(cls, parsed: Mapping[str, Any]) -> "Settings":
        feedback = None
        if parsed["feedback"]:
            feedback = FeedbackSettings(
                bucket_name=parsed["feedbackBucketName"],
                configuration=parsed["feedbackConfiguration"] or default_configuration(),
            )
        architecture = parsed["simulatorArchitecture"]
        inference = device.InferenceSettings.from_fields(parsed)
        return cls(
            certificate=parsed["certificateId"],
            certificate_signing_request=parsed["certificateSigningRequest"],
            model=parsed["modelS3Uri"] or parsed["modelPath"],
            model_profile=parsed["modelProfile"],
            greengrass_version=cast(Literal[1, 2], int(parsed["greengrassVersion"])),
            thing_group_name=parsed["thingGroupName"],
            inference=dataclasses.replace(
                inference,
                feedback=feedback.configuration if feedback else None,
                feedback_request_limit=int(parsed["feedbackRequestLimit"] or 0),
            ),
            feedback=feedback,
            feedback_request_limit=parsed["feedbackRequestLimit"],
            dependencies=parsed["dependencies"],
            architecture=parsed["architecture"],
            simulator=parsed["simulator"],
            simulator_instance_type=parsed["simulatorInstanceType"]
            or _SIMULATOR_TYPES[architecture],
            simulator_architecture=architecture,
            simulator_key_name=parsed["simulatorKeyName"],
            simulator_ssh_cidr=parsed["simulatorSshCidr"],
        )


def _raise_if_any(faults: Iterable[schema.Fault]) -> None:
    found = list(faults)
    if found:
        raise schema.ConfigurationError(found)
