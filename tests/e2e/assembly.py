"""Deployments in this process: what the CLI does takes it 2 s of a processor each time.

The first deployment of a stack is the real CLI's where a test is about what a user does.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from app import add_stacks
from local_core.cloud import LocalCloud
from local_core.run.shared_cloud import SharedCloud
from stacks.generations import read_settings
from tests.cloud.support import Stacks
from tests.stacks.synthesis import feature_flags


def deploy(shared: SharedCloud, context: Mapping[str, str]) -> None:
    """Synthesise the app, publish its assets, and create or update its stacks.

    Raises:
        StackError: with CloudFormation's reasons.
    """
    folder = shared.cloud.data / "cdk.out"
    _synthesise(folder, context)
    artifacts = _read(shared.cloud, folder / "manifest.json")["artifacts"]
    for name, artifact in artifacts.items():
        properties = artifact.get("properties", {})
        if artifact["type"] == "cdk:asset-manifest":
            _publish(shared, folder, properties["file"])
        elif artifact["type"] == "aws:cloudformation:stack":
            template = json.loads((folder / properties["templateFile"]).read_text())
            role = properties["cloudFormationExecutionRoleArn"]
            Stacks(shared.cloud).deploy_template(name, template, RoleARN=role)
            shared.cloud.client("cloudformation").update_termination_protection(
                StackName=name,
                EnableTerminationProtection=properties.get("terminationProtection", False),
            )


def _synthesise(folder: Path, context: Mapping[str, str]) -> None:
    app = cdk.App(
        outdir=str(folder),
        context={**feature_flags(), **context},
        analytics_reporting=False,
        builtin_cloud_formation_validation=False,
    )
    add_stacks(app, read_settings(dict(context)))
    app.synth()


def _publish(shared: SharedCloud, folder: Path, manifest: str) -> None:
    """Upload the files that the CDK's bucket does not have yet."""
    for file in _read(shared.cloud, folder / manifest)["files"].values():
        [target] = file["destinations"].values()
        bucket, key = target["bucketName"], target["objectKey"]
        if key not in shared.samples(bucket):
            content = _content(folder / file["source"]["path"])
            shared.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=content)


def _content(source: Path) -> bytes:
    """Return a file as it is, and a folder as an archive."""
    if source.is_file():
        return source.read_bytes()
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(source.rglob("*")):
            opened.write(path, path.relative_to(source).as_posix())
    return archive.getvalue()


def _read(cloud: LocalCloud, file: Path) -> dict[str, Any]:
    """Return a manifest for the account and the Region of a cloud."""
    text = file.read_text()
    where = {"Partition": "aws", "AccountId": cloud.account, "Region": cloud.region}
    for name, value in where.items():
        text = text.replace(f"${{AWS::{name}}}", value)
    found: dict[str, Any] = json.loads(text)
    return found
