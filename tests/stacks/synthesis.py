"""Synthesis as ``cdk synth`` does it, without the command, and templates as they are deployed."""

import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk.assertions import Template

from app import add_stacks
from stacks.core.stack import GreengrassCoreStack
from stacks.generations import read_settings

ROOT = Path(__file__).resolve().parents[2]

PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::StackId": "arn:aws:cloudformation:ap-southeast-2:123456789012:stack/DlrInference-Demo/id",
    "AWS::Region": "ap-southeast-2",
    "AWS::StackName": "DlrInference-Demo",
    "AWS::URLSuffix": "amazonaws.com",
}
CERTIFICATE_ID = "0123456789abcdef" * 4

PROFILE = {
    "name": "pets",
    "confidenceThreshold": 0.5,
    "topK": 5,
    "labels": "pets.txt",
    "input": {
        "name": "data",
        "shape": [1, 3, 224, 224],
        "layout": "NCHW",
        "dtype": "float32",
        "colorOrder": "RGB",
        "resize": "stretch",
    },
    "output": {"kind": "classification", "activation": "logits"},
}


def feature_flags() -> dict[str, Any]:
    """The flags that cdk.json freezes, so that a test synthesises what a user does."""
    flags: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return flags


def new_app(outdir: Path, *, validated: bool = False) -> cdk.App:
    """An app; ``validated`` costs seconds, so that one test asks for it."""
    return cdk.App(
        outdir=str(outdir),
        context=feature_flags(),
        builtin_cloud_formation_validation=validated,
    )


def findings_of(app: cdk.App) -> list[tuple[str, str]]:
    """Synthesise a validated app; what its checks find, each with its severity, from their report.

    They print it too, but Node does that on its own time: in the middle of a later test.
    """
    report = Path(app.synth().directory) / "validation-report.json"
    if not report.exists():
        return []
    plugins = json.loads(report.read_text())["pluginReports"]
    found = [one for plugin in plugins for one in plugin["violations"]]
    return [(one["severity"], one["description"]) for one in found]


def write_profile(folder: Path, labels: str = "cat\ndog\n") -> str:
    """A profile file with its labels in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pets.json").write_text(json.dumps(PROFILE))
    (folder / "pets.txt").write_text(labels)
    return str(folder / "pets.json")


def context(folder: Path, **values: object) -> dict[str, object]:
    """A context without faults, but for ``values``; None removes a key."""
    complete: dict[str, object] = {
        "coreName": "Demo",
        "certificateId": CERTIFICATE_ID,
        "modelS3Uri": "s3://bucket/models/model.tar.gz",
        "modelProfile": write_profile(folder / "profile"),
        **values,
    }
    return {key: value for key, value in complete.items() if value is not None}


def template_of(folder: Path, **values: object) -> dict[str, Any]:
    """The template of a core with this context."""
    settings = read_settings(context(folder, **values))
    stack = GreengrassCoreStack(new_app(folder / "cdk.out"), settings=settings)
    return dict(Template.from_stack(stack).to_json())


def templates_of(outdir: Path, values: dict[str, object]) -> dict[str, dict[str, Any]]:
    """The templates of the app with this context, by the last part of their stacks' names."""
    app = new_app(outdir)
    add_stacks(app, read_settings(values))
    return {
        stack.node.id.removeprefix("DlrInference-"): dict(Template.from_stack(stack).to_json())
        for stack in app.node.children
        if isinstance(stack, cdk.Stack)
    }


def only(template: dict[str, Any], resource_type: str) -> dict[str, Any]:
    """The properties of the one resource of this type."""
    found = all_of(template, resource_type)
    assert len(found) == 1, f"{len(found)} of {resource_type}"
    return found[0]


def named(template: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The resource with this logical id, but for its hash; None if there is none."""
    return next((one for key, one in template["Resources"].items() if key[:-8] == name), None)


def all_of(template: dict[str, Any], resource_type: str) -> list[dict[str, Any]]:
    """The properties of every resource of this type."""
    resources = template["Resources"].values()
    return [found["Properties"] for found in resources if found["Type"] == resource_type]


def resolved(value: Any) -> Any:
    """``value`` with joins, substitutions and pseudo parameters resolved, as in a deployment.

    A reference to a resource becomes ``<logical id without its hash>``.
    """
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Fn::Sub"}:
        return _substituted(value["Fn::Sub"])
    if value.keys() == {"Fn::Join"}:
        separator, parts = value["Fn::Join"]
        return separator.join(resolved(part) for part in parts)
    if value.keys() == {"Ref"}:
        return PSEUDO_PARAMETERS.get(value["Ref"]) or f"<{value['Ref'][:-8]}>"
    if value.keys() == {"Fn::GetAtt"}:
        return f"<{value['Fn::GetAtt'][0][:-8]}.{value['Fn::GetAtt'][1]}>"
    return {key: resolved(item) for key, item in value.items()}


def _substituted(argument: str | list[Any]) -> str:
    text, own = (argument, {}) if isinstance(argument, str) else argument
    values = {**PSEUDO_PARAMETERS, **{key: resolved(value) for key, value in own.items()}}

    def value(match: re.Match[str]) -> str:
        name, _, attribute = match[1].partition(".")
        return str(values[match[1]]) if match[1] in values else f"<{name[:-8]}.{attribute}>"

    found = re.sub(r"\$\{([^!].*?)\}", value, text)
    return found.replace("${!", "${")


def recipe_text(template: dict[str, Any]) -> str:
    """The recipe as the service gets it."""
    text: str = resolved(only(template, "AWS::GreengrassV2::ComponentVersion")["InlineRecipe"])
    return text


def recipe_of(template: dict[str, Any]) -> dict[str, Any]:
    """The recipe, read."""
    recipe: dict[str, Any] = json.loads(recipe_text(template))
    return recipe
