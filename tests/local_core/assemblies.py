"""A small cloud assembly, made by hand in the form that ``cdk synth`` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

COMPONENT = "com.Demo"
VERSION = "1.2.3"
HASH = "c0de" * 16
TOPIC = "mli/predictions/Demo"
BUCKET = {"Fn::Sub": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"}

SCRIPT = """
import os, sys, time
assert "PYTHONPATH" not in os.environ and "VIRTUAL_ENV" not in os.environ
assert os.environ["AWS_IOT_THING_NAME"] == "Demo_Core" and os.environ["AWS_REGION"] == "us-east-1"
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
client = GreengrassCoreIPCClientV2()
configuration = client.get_configuration(key_path=[]).value
payload = b'[{"confidence": "0.93", "prediction": "cat", "box": [0.1, 0.2, 0.3, 0.4]}]'
for _ in range(int(configuration["messages"])):
    client.publish_to_iot_core(topic_name=sys.argv[1], qos="1", payload=payload)
time.sleep(float(configuration["sleep"]))
"""


def recipe(*, install: str, run: str, uri: str) -> dict[str, Any]:
    """Return a recipe whose one artifact is the folder asset."""
    policy = {"operations": ["aws.greengrass#PublishToIoTCore"], "resources": [TOPIC]}
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": COMPONENT,
        "ComponentVersion": VERSION,
        "ComponentConfiguration": {
            "DefaultConfiguration": {
                "messages": 1,
                "sleep": 60,
                "accessControl": {"aws.greengrass.ipc.mqttproxy": {"p": policy}},
            }
        },
        "Manifests": [
            {
                "Platform": {"os": "linux", "runtime": "*"},
                "Lifecycle": {"install": {"Script": install, "Timeout": 20}, "run": run},
                "Artifacts": [{"Uri": uri, "Unarchive": "ZIP"}],
            }
        ],
    }


def write_assembly(
    folder: Path,
    *,
    install: str = "echo installed",
    run: str = f"python3 {{artifacts:decompressedPath}}/{HASH}/main.py {TOPIC}",
    merge: dict[str, Any] | None = None,
) -> Path:
    """Write the assembly into ``folder``: a component, its deployment to a thing, one asset."""
    marker = "@@URI@@"
    head, tail = json.dumps(recipe(install=install, run=run, uri=marker)).split(marker)
    uri = {"Fn::Join": ["", ["s3://", BUCKET, f"/{HASH}.zip"]]}
    resources = {
        "Thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "Demo_Core"}},
        "Component": {
            "Type": "AWS::GreengrassV2::ComponentVersion",
            "Properties": {"InlineRecipe": {"Fn::Join": ["", [head, uri, tail]]}},
        },
        "Deployment": {
            "Type": "AWS::GreengrassV2::Deployment",
            "Properties": {
                "TargetArn": {"Fn::GetAtt": ["Thing", "Arn"]},
                "Components": {
                    COMPONENT: {
                        "ComponentVersion": {"Fn::GetAtt": ["Component", "ComponentVersion"]},
                        "ConfigurationUpdate": {
                            "Reset": [""],
                            "Merge": json.dumps(merge or {}),
                        },
                    },
                    "aws.greengrass.Cli": {"ComponentVersion": "2.12.0"},
                },
            },
        },
    }
    source = folder / f"asset.{HASH}"
    source.mkdir(parents=True)
    (source / "main.py").write_text(SCRIPT)
    destination = {"bucketName": BUCKET["Fn::Sub"], "objectKey": f"{HASH}.zip"}
    assets = {
        HASH: {
            "source": {"path": source.name, "packaging": "zip"},
            "destinations": {"current_account-current_region": destination},
        }
    }
    manifest = {
        "Demo.assets": {
            "type": "cdk:asset-manifest",
            "properties": {"file": "Demo.assets.json"},
        },
        "Demo": {
            "type": "aws:cloudformation:stack",
            "properties": {"templateFile": "Demo.template.json"},
        },
        "Tree": {"type": "cdk:tree", "properties": {"file": "tree.json"}},
    }
    for name, content in (
        ("manifest.json", {"artifacts": manifest}),
        ("Demo.template.json", {"Resources": resources}),
        ("Demo.assets.json", {"files": assets}),
    ):
        (folder / name).write_text(json.dumps(content))
    return folder
