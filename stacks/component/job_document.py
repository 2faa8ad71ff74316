"""How large the job document of a deployment becomes, and how large it may be.

A deployment to a thing group reaches a core as the document of an AWS IoT job, in one message.
CloudFormation and Greengrass accept far more than a core can read.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from inference import schema
from inference.redaction import redacted
from inference.settings import InferenceSettings
from stacks.context.components import KEY as _COMPONENTS
from stacks.context.components import OtherComponent
from stacks.context.keys import EXAMPLES
from stacks.context.report import option
from stacks.context.settings import Settings

MAX_BYTES = 3_286
"""Largest job document that nucleus lite (2.6.0) was seen to accept; one of 3,769 bytes failed.

It decodes the document into 4,096 bytes of memory, where every value takes room beside its text
("Insufficient memory when cloning").
"""

MAX_PACKET_BYTES = 5_000
"""Largest MQTT packet that nucleus lite takes; it closes the connection at a larger one.

A document of ``MAX_BYTES`` leaves ample room for topic and envelope, so no separate check is due.
"""

POLICY_TIMEOUT_SECONDS = 60

_LONGEST_PLACE = "arn:aws-us-gov:greengrass:ap-southeast-99:123456789012"
_LONGEST_REVISION = 999_999
_LONGEST_VERSION = "999999.999999.999999"
_LONGEST_BUCKET = "b" * 63
"""The stack's own bucket gets its name from CloudFormation, which uses up to 63 characters."""

_ID = "00000000-0000-0000-0000-000000000000"
_MILLISECONDS = 1_800_000_000_000


def document(
    *,
    group: str,
    deployment: str,
    component: str,
    configuration: Mapping[str, Any],
    others: Sequence[OtherComponent] = (),
) -> dict[str, Any]:
    """Return the job document of a deployment to ``group``, with its values at their longest."""
    return {
        "deploymentId": _ID,
        "configurationArn": (
            f"{_LONGEST_PLACE}:configuration:thinggroup/{group}:{_LONGEST_REVISION}"
        ),
        "deploymentName": deployment,
        "components": {
            component: {
                "version": _LONGEST_VERSION,
                "configurationUpdate": {"reset": [""], "merge": configuration},
            },
            **_others(others),
        },
        "creationTimestamp": _MILLISECONDS,
        "failureHandlingPolicy": "ROLLBACK",
        "componentUpdatePolicy": {
            "timeout": POLICY_TIMEOUT_SECONDS,
            "action": "NOTIFY_COMPONENTS",
        },
        "configurationValidationPolicy": {"timeout": POLICY_TIMEOUT_SECONDS},
    }


def _others(components: Sequence[OtherComponent]) -> dict[str, Any]:
    return {
        one.name: {"version": one.version, "configurationUpdate": {"merge": one.configuration}}
        for one in components
    }


def size(value: object) -> int:
    """Return the bytes of ``value`` as JSON, in the compact form that a core gets."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def check(settings: Settings) -> None:
    """Check that a core, or each core of a fleet, can read what the stack deploys to it.

    Raises:
        ConfigurationError: with the key that takes the most room.
    """
    configuration = _configuration(settings)
    found = _document_size(settings, configuration)
    if found <= MAX_BYTES:
        return
    values = {key: value for key, value in configuration.items() if key != "coreName"}
    if settings.other_components:
        values[_COMPONENTS] = _others(settings.other_components)
    key = max(values, key=lambda name: size(values[name]))
    rule = (
        f"makes the job document of the deployment {found:,} bytes; nucleus lite accepts "
        f"{MAX_BYTES:,}, so {key} must be {found - MAX_BYTES:,} bytes shorter"
        + _part_that_fits(settings, configuration, key)
    )
    fault = schema.Fault(key, _as_given(settings, key), rule, option(key, EXAMPLES[key]))
    raise schema.ConfigurationError([fault])


def _as_given(settings: Settings, key: str) -> object:
    """Return a key's value for a message: without passwords, and without buckets added here."""
    if key == _COMPONENTS:
        return ",".join(f"{one.name}={one.version}" for one in settings.other_components)
    if key == "feedbackConfiguration" and settings.feedback is not None:
        return settings.feedback.configuration.to_json()
    value = settings.inference.to_configuration()[key]
    return redacted(value) if isinstance(value, str) else value


def _configuration(settings: Settings) -> dict[str, Any]:
    """Return what the deployment will merge, with a bucket's name at its longest."""
    inference: InferenceSettings = settings.inference
    if settings.feedback is not None:
        bucket = settings.feedback.bucket_name or _LONGEST_BUCKET
        feedback = settings.feedback.configuration.with_bucket(bucket)
        inference = dataclasses.replace(inference, feedback=feedback)
    return dict(inference.to_configuration(with_defaults=False))


def _document_size(settings: Settings, configuration: Mapping[str, Any]) -> int:
    """Return the bytes of the document that the stack deploys with ``configuration``."""
    own = settings.names
    return size(
        document(
            group=max(settings.thing_groups, key=len),
            deployment=own.stack,
            component=own.component,
            configuration=configuration,
            others=settings.other_components,
        )
    )


def _part_that_fits(settings: Settings, configuration: Mapping[str, Any], key: str) -> str:
    """Return how many entries of a list or map fit; nothing for other values."""
    value = configuration.get(key)
    if not isinstance(value, (list, dict)):
        return ""
    for count in range(len(value) - 1, 0, -1):
        part: object = (
            dict(islice(value.items(), count)) if isinstance(value, dict) else value[:count]
        )
        if _document_size(settings, {**configuration, key: part}) <= MAX_BYTES:
            return f": its first {count} of {len(value)} entries fit"
    return ""
