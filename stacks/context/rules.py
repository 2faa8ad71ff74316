"""Rules between context keys, beyond those of each key's own reader.

The rules of one generation of Greengrass alone are in :mod:`stacks.generations`.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from inference import schema
from inference.model.engines.runnable import ONNX_RUNTIME
from inference.model.profiles import profile
from stacks.context.keys import EXAMPLES, RETIRED
from stacks.context.model_runtime import chosen_runtime, faults_of_runtime
from stacks.context.model_source import S3Object
from stacks.context.monitoring import faults_of_monitoring
from stacks.context.report import MissingKey, missing_key, option, with_option

Rules = Callable[[Mapping[str, object], Mapping[str, Any]], Iterable[schema.Fault]]
"""The faults of a context, from its values as they were given and as they were parsed, by key."""

_TOKEN = re.compile(r"[$#]\{Token\[[\w.-]*\]?\}?")
_OWN_PROFILE = Path("profile", "profile.json")
"""Where `mli compile` puts the profile into its artifact."""
_OF_PACKAGES = {"x86_64": "x86_64", "arm64": "aarch64"}
"""A processor as packages of Python name it, by its name in EC2."""
_ARM_INSTANCE = re.compile(r"a1\..*|[a-z]+[0-9]+g[a-z]*(?:-[a-z0-9]+)?\..*")


def between_keys(given: Mapping[str, object], parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    """Yield the faults of keys that are missing, or that exclude or require each other."""
    yield from _one_of(given, "coreName", "fleetName")
    if given.get("rollout") is not None and given.get("fleetName") is None:
        rule = "requires fleetName: the deployment of one core goes to that core at once"
        yield schema.Fault("rollout", given["rollout"], rule)
    if given.get("fleetName") is None:
        yield from _one_of(given, "certificateId", "certificateSigningRequest")
    else:
        yield from _only_for_cores(given, parsed)
    if parsed["estimator"] != "connector":  # whose model is that of a training job
        yield from _one_of(given, "modelS3Uri", "modelPath")
    yield from _of_retention(given, parsed)
    yield from _of_regions(parsed)
    yield from faults_of_runtime(parsed)
    yield from _profile_of_onnx(given, parsed)
    yield from faults_of_monitoring(parsed)
    yield from _of_simulator(given, parsed)


def of_retired_keys(given: Mapping[str, object]) -> Iterable[schema.Fault]:
    """Yield the faults of keys that earlier versions had."""
    for key, successor in RETIRED.items():
        if given.get(key) is not None:
            rule = (
                f"was replaced by {successor}: a fleet has a stack of its own, without coreName "
                "(docs/migration.md)"
            )
            yield schema.Fault(key, given[key], rule, option(successor, given[key]))


def of_tokens(given: Mapping[str, object], parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    """Yield the faults of values that the CDK would take for its own placeholders.

    It would end with a traceback, or put something else in their place. ``parsed`` also has what
    stands in files that the context names. A fault shows no more of a value, which may hold a
    password.
    """
    for key, value in parsed.items():
        found = _TOKEN.search(repr(value)) if given.get(key) is not None else None
        if found:
            rule = "is a placeholder of the CDK itself, which no value may contain"
            yield schema.Fault(key, found[0], rule)


def of_profile(name_or_path: str, classes: tuple[str, ...]) -> Iterable[schema.Fault]:
    """Yield the faults of the model's profile, and of classes that are not among its labels."""
    try:
        model = profile.load_profile(name_or_path)
    except schema.ConfigurationError as error:
        for fault in error.faults:
            yield with_option(fault) if fault.key == "modelProfile" else fault
        return
    except (OSError, UnicodeError) as error:
        rule = f"cannot be read ({type(error).__name__})"
        yield with_option(schema.Fault("modelProfile", name_or_path, rule))
        return
    labels = model.labels or ()
    unknown = [name for name in classes if name not in labels] if labels else []
    if unknown:
        near = schema.nearest(unknown[0], labels, cutoff=0) or labels[0]
        rule = f"must be among the {len(labels)} labels of the profile {model.name}"
        example = option("classes", schema.words_text([near]))
        yield schema.Fault("classes", schema.words_text(unknown), rule, example)


def _profile_of_onnx(
    given: Mapping[str, object], parsed: Mapping[str, Any]
) -> Iterable[schema.Fault]:
    """Yield the fault of an ONNX model without a profile: the default describes a compiled one."""
    if given.get("modelProfile") is not None or chosen_runtime(parsed) != ONNX_RUNTIME:
        return
    path, source = parsed["modelPath"], parsed["modelS3Uri"]
    if isinstance(path, Path):
        name, model, where = path.name, str(path), ""
    elif isinstance(source, S3Object):
        name = model = source.name
        where = ", from a copy of the model on this machine"
    else:
        return
    file = f"{name.partition('.')[0]}.json"
    if isinstance(path, Path) and (path / _OWN_PROFILE).is_file():
        rule = f"is required for an ONNX model; {path} has its own"
        yield MissingKey(
            "modelProfile", None, rule, option("modelProfile", str(path / _OWN_PROFILE))
        )
        return
    command = f"mli profile {shlex.quote(model)} --write {shlex.quote(file)}"
    rule = f"is required for an ONNX model; `{command}` proposes one{where}"
    yield MissingKey("modelProfile", None, rule, option("modelProfile", file))


def _one_of(given: Mapping[str, object], first: str, second: str) -> Iterable[schema.Fault]:
    if given.get(first) is None and given.get(second) is None:
        yield missing_key(first, unless=second)
    elif given.get(first) is not None and given.get(second) is not None:
        rule = f"cannot be combined with {first}: leave one of the two out"
        yield schema.Fault(second, given[second], rule)


def _only_for_cores(
    given: Mapping[str, object], parsed: Mapping[str, Any]
) -> Iterable[schema.Fault]:
    for key in ("certificateId", "certificateSigningRequest"):
        if given.get(key) is not None:
            rule = "cannot be combined with fleetName: `mli fleet` gives each core a certificate"
            yield schema.Fault(key, given[key], rule)
    if parsed["simulator"]:
        rule = "cannot be combined with fleetName: the instance is the core of one stack"
        yield schema.Fault("simulator", given["simulator"], rule, option("simulator", "false"))


def _of_retention(given: Mapping[str, object], parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    """Yield the fault of a retention for a bucket that the stack does not create."""
    if given.get("feedbackRetentionDays") is None:
        return
    rule = ""
    if given.get("feedbackBucketName") is not None:
        rule = (
            "cannot be combined with feedbackBucketName: set the lifecycle of that bucket instead"
        )
    elif all(one.bucket for one in parsed["feedbackConfiguration"].all):
        rule = "requires a bucket that the stack creates; feedbackConfiguration names others only"
    elif not parsed["feedback"]:
        rule = "requires feedback=true: there are no samples otherwise"
    if rule:
        yield schema.Fault("feedbackRetentionDays", given["feedbackRetentionDays"], rule)


def _of_regions(parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    """Yield the fault of a key in another Region than the certificate, which is the stack's."""
    certificate, key = (parsed[name] or "" for name in ("certificateId", "kmsKeyArn"))
    if not certificate.startswith("arn:") or not key:
        return
    region = certificate.split(":")[3]
    if key.split(":")[3] != region:
        rule = f"must be in the Region of certificateId, {region}: name a key of that Region"
        yield schema.Fault("kmsKeyArn", key, rule)


def _of_simulator(given: Mapping[str, object], parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    ssh = "requires {} too, since SSH needs both; leave both out for no SSH"
    network = "requires {} too; leave both out for a network of its own"
    for key, other, rule in (
        ("simulatorKeyName", "simulatorSshCidr", ssh),
        ("simulatorSshCidr", "simulatorKeyName", ssh),
        ("simulatorVpcId", "simulatorSubnetId", network),
        ("simulatorSubnetId", "simulatorVpcId", network),
    ):
        if given.get(key) is not None and given.get(other) is None:
            yield schema.Fault(key, given[key], rule.format(other), option(other, EXAMPLES[other]))
    chosen, architecture = parsed["simulatorInstanceType"], parsed["simulatorArchitecture"]
    needed, packages = _OF_PACKAGES[architecture], parsed["architecture"]
    if parsed["simulator"] and parsed["dependencies"] == "bundled" and packages != needed:
        rule = f"must be {needed}, like the simulator's processor ({architecture}), which gets the "
        rule += "same bundled packages; or choose another simulatorArchitecture"
        yield schema.Fault("architecture", packages, rule, option("architecture", needed))
    if chosen is None:
        return
    actual = "arm64" if _ARM_INSTANCE.fullmatch(chosen) else "x86_64"
    if actual != architecture:
        rule = f"is {actual}, but simulatorArchitecture is {architecture}"
        correction = option("simulatorArchitecture", actual)
        yield schema.Fault("simulatorInstanceType", chosen, rule, correction)
