"""Context that other apps or the CDK itself own, next to that of a core."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from inference import schema
from stacks.context.elsewhere import structured_cdk_keys, without_foreign_keys
from stacks.generations import read_settings
from tests.stacks.synthesis import ROOT, context

UNPACKED = Path.home() / ".cache" / "aws" / "jsii" / "package-cache"
"""Where jsii has the CDK's library; in another home it would unpack it again, in 7 s."""
BOUNDARY = "@aws-cdk/core:permissionsBoundary"


def user_file(folder: Path, **values: object) -> Path:
    path = folder / ".cdk.json"
    path.write_text(json.dumps({"context": values}))
    return path


def test_key_of_another_app_in_a_file_is_left_out(tmp_path: Path) -> None:
    path = user_file(tmp_path, team="vision", owners=["a"])
    given = {**context(tmp_path), "team": "vision", "owners": ["a"]}
    assert read_settings(without_foreign_keys(given, [path])).core_name == "Demo"


def test_setting_of_a_core_may_stand_in_a_file(tmp_path: Path) -> None:
    path = user_file(tmp_path, coreName="Demo")
    assert without_foreign_keys({"coreName": "Demo"}, [path]) == {"coreName": "Demo"}


@pytest.mark.parametrize(
    ("stored", "given"),
    [({}, {"team": "vision"}), ({"team": "vision"}, {"team": "audio"}), ({"tpoK": 3}, {"tpoK": 3})],
    ids=["given with -c", "overridden with -c", "typo in the file"],
)
def test_unknown_key_is_still_named(
    tmp_path: Path, stored: dict[str, object], given: dict[str, object]
) -> None:
    path = user_file(tmp_path, **stored)
    with pytest.raises(schema.ConfigurationError) as caught:
        read_settings(without_foreign_keys({**context(tmp_path), **given}, [path]))
    assert [fault.key for fault in caught.value.faults] == list(given)


def test_key_of_an_earlier_version_in_a_file_is_still_named(tmp_path: Path) -> None:
    path = user_file(tmp_path, thingGroupName="shop-floor")
    given = {**context(tmp_path), "thingGroupName": "shop-floor"}
    with pytest.raises(schema.ConfigurationError, match="was replaced by fleetName"):
        read_settings(without_foreign_keys(given, [path]))


@pytest.mark.parametrize("content", ["", "[]", '{"context": []}', "{", "[" * 100_000])
def test_file_without_context_changes_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cdk.json"
    path.write_text(content)
    assert without_foreign_keys({"team": "x"}, [path, tmp_path / "none"]) == {"team": "x"}


def test_text_of_the_cdk_s_own_keys_becomes_what_the_cdk_needs() -> None:
    given: dict[str, Any] = {
        BOUNDARY: '{"name": "x"}',
        "@aws-cdk/core:target-partitions": ["aws"],
        "@aws-cdk/aws-iam:minimizePolicies": "true",
        "@aws-cdk/other:list": '["a"]',
        "classes": '["cat"]',
    }
    assert structured_cdk_keys(given) == {BOUNDARY: {"name": "x"}, "@aws-cdk/other:list": ["a"]}


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        (BOUNDARY, "x", "must be a JSON object"),
        (BOUNDARY, '["x"]', "must be a JSON object"),
        (BOUNDARY, "{'name': 'x'}", "must be a JSON object"),
        ("@aws-cdk/core:target-partitions", "aws", "must be a JSON list"),
        ("@aws-cdk/other:key", "{name: x}", "must be JSON"),
    ],
)
def test_text_that_the_cdk_would_ignore_is_a_fault(key: str, value: str, rule: str) -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        structured_cdk_keys({key: value})
    assert [(fault.key, fault.rule) for fault in caught.value.faults] == [(key, rule)]


def test_boundary_of_the_command_line_is_in_the_template_of_cdk_synth(tmp_path: Path) -> None:
    """With the real command, for a user whose ~/.cdk.json has context of other apps."""
    user_file(tmp_path, team="vision")
    options = {**context(tmp_path), BOUNDARY: '{"name": "x"}'}
    done = subprocess.run(
        [
            *(str(ROOT / "node_modules" / ".bin" / "cdk"), "synth", "--quiet"),
            *("--output", str(tmp_path / "cdk.out"), "--no-notices"),
            *(word for key, value in options.items() for word in ("-c", f"{key}={value}")),
        ],
        cwd=ROOT,
        env={
            "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(UNPACKED),
            **os.environ,
            "HOME": str(tmp_path),
            "CDK_VALIDATION": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "cdk.out" / "DlrInference-Demo.template.json").read_text())
    roles = [one for one in template["Resources"].values() if one["Type"] == "AWS::IAM::Role"]
    assert roles
    assert all("policy/x" in json.dumps(one["Properties"]["PermissionsBoundary"]) for one in roles)
