"""Rules between context keys, beyond what each key's own reader says."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inference import schema
from inference import settings as device
from inference.model import profile
from stacks.component.model_source import S3Object
from stacks.context.keys import EXAMPLES
from stacks.context.report import mended_by_option, missing, option

MAX_CONFIGURATION_BYTES = 4_096
"""Largest configuration of a component. A core reads it in one message, of which nucleus lite
carries 10,000 bytes, our accessControl and the names of the buckets included."""

_ARM_INSTANCE = re.compile(r"a1\..*|[a-z]+[0-9]+g[a-z]*(?:-[a-z0-9]+)?\..*")


def between_keys(own: Mapping[str, object], parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    """Yield the faults of keys that are missing, or that do not go together."""
    if own.get("coreName") is None:
        yield missing("coreName")
    yield from _one_of(own, "certificateId", "certificateSigningRequest")
    yield from _one_of(own, "modelS3Uri", "modelPath")
    if parsed["greengrassVersion"] == "1":
        yield from _of_first_generation(own, parsed)
    yield from _of_simulator(own, parsed)


def of_profile(name_or_path: str, classes: tuple[str, ...]) -> Iterable[schema.Fault]:
    """Yield the faults of the model's profile, and of classes that are none of its labels."""
    try:
        model = profile.load_profile(name_or_path)
    except schema.ConfigurationError as error:
        for fault in error.faults:
            yield mended_by_option(fault) if fault.key == "modelProfile" else fault
        return
    except (OSError, UnicodeError) as error:
        rule = f"cannot be read ({type(error).__name__})"
        yield mended_by_option(schema.Fault("modelProfile", name_or_path, rule))
        return
    labels = model.labels or ()
    strangers = [name for name in classes if name not in labels] if labels else []
    if strangers:
        near = difflib.get_close_matches(strangers[0], labels, n=1, cutoff=0) or labels[:1]
        rule = f"must be among the {len(labels)} labels of the profile {model.name}"
        yield schema.Fault("classes", ",".join(strangers), rule, option("classes", near[0]))


def of_size(inference: device.InferenceSettings) -> Iterable[schema.Fault]:
    """Yield a fault if the configuration is more than a core reads."""
    configuration = inference.to_configuration()
    size = len(json.dumps(configuration))
    if size <= MAX_CONFIGURATION_BYTES:
        return
    long = [
        key for key in ("classes", "imageSource", "feedbackConfiguration") if key in configuration
    ]
    key = max(long, key=lambda name: len(json.dumps(configuration[name])))
    rule = f"makes a configuration of {size} bytes; a core takes {MAX_CONFIGURATION_BYTES}"
    yield schema.Fault(key, configuration[key], rule, option(key, EXAMPLES[key]))


def _one_of(own: Mapping[str, object], first: str, second: str) -> Iterable[schema.Fault]:
    if own.get(first) is None and own.get(second) is None:
        yield missing(first, unless=second)
    elif own.get(first) is not None and own.get(second) is not None:
        rule = f"cannot stand beside {first}: leave one of the two out"
        yield schema.Fault(second, own[second], rule)


def _of_first_generation(
    own: Mapping[str, object], parsed: Mapping[str, Any]
) -> Iterable[schema.Fault]:
    """Yield what only Greengrass V1 refuses: it unpacks the model itself, from less."""
    source, path = parsed["modelS3Uri"], parsed["modelPath"]
    if isinstance(source, S3Object):
        rule = ""
        if "." in source.bucket:
            rule = "must name a bucket without periods for greengrassVersion=1"
        elif source.key.endswith(".tgz"):
            rule = "must end in .tar.gz or .zip for greengrassVersion=1"
        if rule:
            yield mended_by_option(schema.Fault("modelS3Uri", own["modelS3Uri"], rule))
    if isinstance(path, Path) and path.is_file() and path.suffix != ".zip":
        rule = "must be a folder or a .zip file for greengrassVersion=1"
        yield schema.Fault(
            "modelPath", own["modelPath"], rule, option("modelPath", "path/to/model")
        )
    if parsed["dependencies"] == "bundled":
        rule = "is for greengrassVersion=2: a V1 core has its packages installed beforehand"
        yield schema.Fault("dependencies", "bundled", rule, option("dependencies", "online"))
    group = parsed["thingGroupName"]
    if group is not None:
        rule = "is for greengrassVersion=2: leave it out, or take that generation"
        yield schema.Fault("thingGroupName", group, rule, option("greengrassVersion", "2"))


def _of_simulator(own: Mapping[str, object], parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    for given, other in (
        ("simulatorKeyName", "simulatorSshCidr"),
        ("simulatorSshCidr", "simulatorKeyName"),
    ):
        if own.get(given) is not None and own.get(other) is None:
            rule = f"needs {other} beside it, since SSH takes both; leave it out for none"
            yield schema.Fault(given, own[given], rule, option(other, EXAMPLES[other]))
    chosen, architecture = parsed["simulatorInstanceType"], parsed["simulatorArchitecture"]
    if chosen is None:
        return
    actual = "arm64" if _ARM_INSTANCE.fullmatch(chosen) else "x86_64"
    if actual != architecture:
        rule = f"is {actual}, but simulatorArchitecture is {architecture}"
        mended = option("simulatorArchitecture", actual)
        yield schema.Fault("simulatorInstanceType", chosen, rule, mended)
