"""The context of ``cdk synth`` and ``cdk deploy``, parsed once, before any construct exists."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from inference import schema
from inference import settings as device
from inference.feedback.configuration import FeedbackConfigurations
from inference.names import ANY_CORE
from stacks.context import rules
from stacks.context.actions import LabelAction
from stacks.context.components import OtherComponent
from stacks.context.elsewhere import without_cdk_keys
from stacks.context.keys import APP_FIELDS, CONTEXT_FIELDS, FEEDBACK_FIELDS, RETIRED
from stacks.context.model_runtime import chosen_runtime
from stacks.context.model_source import S3Object, TrainingJob
from stacks.context.report import with_option
from stacks.context.rollout import Rollout
from stacks.context.simulator import INSTANCE_TYPES
from stacks.names import StackNames, canary_group_name


@dataclass(frozen=True)
class FeedbackSettings:
    """Where samples go, and which. ``bucket_name`` None: the stack creates the bucket.

    A configuration that names a bucket of its own keeps it; ``bucket_name`` is for the others.
    ``retention_days`` None keeps samples forever.
    """

    bucket_name: str | None
    configuration: FeedbackConfigurations
    retention_days: int | None = None


@dataclass(frozen=True)
class Settings:
    """Everything that a user states about one core, or about a fleet, checked.

    ``certificate`` is an id or an ARN; when it is None, ``certificate_signing_request`` is the PEM
    text from which the certificate is created. ``model`` is an object in S3, or a folder or file
    on this machine, or a training job if ``estimator`` is the connector; ``model_runtime`` is the
    engine that runs it; ``model_profile`` is a built-in name or a path. ``fleet_name`` None
    describes a core; a fleet has neither certificate nor request. ``kms_key_arn`` None is Amazon
    S3's own key. ``simulator_key_name`` and ``simulator_ssh_cidr`` are given together or not at
    all. ``feedback`` None keeps no samples.

    Each attribute but the last two has its key and reader in ``APP_FIELDS``.
    """

    certificate: str | None
    certificate_signing_request: str | None
    model: S3Object | Path | TrainingJob
    model_runtime: Literal["dlr", "onnxruntime"]
    model_profile: str
    greengrass_version: Literal[1, 2]
    estimator: Literal["function", "connector"]
    kms_key_arn: str | None
    mqtt_port: Literal[8883, 443]
    network_proxy: str | None
    fleet_name: str | None
    other_components: tuple[OtherComponent, ...]
    drop_components: bool
    rollout: Rollout
    dashboard: bool
    alarm_email: str | None
    actions: tuple[LabelAction, ...]
    dependencies: Literal["online", "bundled"]
    architecture: Literal["x86_64", "aarch64", "armv7l"]
    simulator: bool
    simulator_instance_type: str
    simulator_architecture: Literal["x86_64", "arm64"]
    simulator_image_id: str | None
    simulator_vpc_id: str | None
    simulator_subnet_id: str | None
    simulator_key_name: str | None
    simulator_ssh_cidr: str | None
    inference: device.InferenceSettings
    feedback: FeedbackSettings | None

    @property
    def core_name(self) -> str:
        """The core's name, which ends its topics and begins the names of its resources.

        It is ``*`` for a fleet, whose cores each have their own.
        """
        return self.inference.core_name

    @property
    def names(self) -> StackNames:
        """The names of what the stack of this core or fleet owns."""
        if self.fleet_name is None:
            return StackNames.of_core(self.core_name)
        return StackNames.of_fleet(self.fleet_name)

    @property
    def thing_groups(self) -> tuple[str, ...]:
        """The thing groups that get deployments: its own, and that of a fleet's canary."""
        own = self.names.thing_group
        has_canary = self.rollout.canary_minutes is not None
        return (own, canary_group_name(own)) if has_canary else (own,)

    def deployed_digest(self) -> str:
        """Return a digest of all settings that a deployment carries, without a secret in it."""
        feedback = self.feedback and [self.feedback.bucket_name, self.feedback.configuration]
        carried = (self.inference.digest(), feedback, self.other_components, self.rollout)
        return hashlib.sha256(repr(carried).encode()).hexdigest()

    @classmethod
    def from_context(
        cls, context: Mapping[str, object], *, generation_rules: Mapping[int, rules.Rules]
    ) -> "Settings":
        """Parse an app's context: values are strings after ``-c``, and JSON's types in cdk.json.

        Keys of the CDK itself are ignored. ``generation_rules`` are the rules that only one
        generation of Greengrass has, by its number.

        Raises:
            ConfigurationError: with every unknown key, every invalid value, and every missing key;
                the example of each is the ``-c`` that corrects it.
        """
        given = without_cdk_keys(context)
        faults = list(rules.of_retired_keys(given))
        given = {key: value for key, value in given.items() if key not in RETIRED}
        parsed, found = schema.parse_fields(CONTEXT_FIELDS, given)
        faults += [with_option(fault) for fault in found]
        faults += rules.between_keys(given, parsed)
        faults += rules.of_tokens(given, parsed)
        faults += generation_rules[parsed["greengrassVersion"]](given, parsed)
        faults += rules.of_profile(parsed["modelProfile"], parsed["classes"])
        _raise_if_any(faults)
        return cls._from_parsed(parsed)

    @classmethod
    def _from_parsed(cls, parsed: Mapping[str, Any]) -> "Settings":
        inference = device.InferenceSettings.from_fields(parsed)
        if parsed["fleetName"] is not None:
            inference = dataclasses.replace(inference, core_name=ANY_CORE)
        feedback = None
        if parsed["feedback"]:
            feedback = FeedbackSettings(**schema.attributes(FEEDBACK_FIELDS, parsed))
        else:
            inference = dataclasses.replace(inference, feedback=None)
        own = schema.attributes(APP_FIELDS, parsed)
        own["model_runtime"] = chosen_runtime(parsed)
        own["simulator_instance_type"] = (
            own["simulator_instance_type"] or INSTANCE_TYPES[own["simulator_architecture"]]
        )
        return cls(**own, inference=inference, feedback=feedback)


def _raise_if_any(faults: Iterable[schema.Fault]) -> None:
    found = list(faults)
    if found:
        raise schema.ConfigurationError(found)
