"""Deploying to the local cloud as to AWS: by the real CDK CLI, with the user's own context.

Only the environment that it is given is special to the local cloud.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.exceptions

from ...processes.cdk import BOOTSTRAP_TEMPLATE, NOT_INSTALLED, CdkCli, CdkError
from ...processes.environments import WITHOUT_VALIDATION
from ..local_cloud import LocalCloud

Say = Callable[[str], None]
Transferred = Callable[[int, int], None]
"""Takes the number of bytes that have been sent, and of all bytes."""

_TOOLKIT = "CDKToolkit"
_POLICY = "MliDeployer"
_EVERY_TENTH_OF_A_SECOND = {"Delay": 0.1, "MaxAttempts": 600}
_MULTIPART_BYTES = 8 * 2**20


def _silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Deployer:
    """Deploys a CDK app to a cloud. ``app`` is its command, or the folder of an assembly.

    Without ``app`` it is the command in the cdk.json of ``folder``, the project. ``say`` takes
    the CLI's lines of progress as they come, and ``asked_to_stop`` is polled while it runs.
    """

    cloud: LocalCloud
    folder: Path
    app: str | None = None
    say: Say = _silent
    asked_to_stop: Callable[[], bool] = field(default=lambda: False)

    def bootstrap(self, *policies: Path) -> None:
        """Create the CDK's own stack, unless it exists: the bucket and the roles of deployments.

        CloudFormation may do what the files ``policies`` allow, or everything if there are none.
        ``cdk bootstrap`` creates the same, which takes it five seconds.

        Raises:
            CdkError: if a file is not a policy, the CLI is not installed, or the stack fails.
        """
        try:
            self.outputs(_TOOLKIT)
        except CdkError:
            arns = [
                self._create_policy(f"{_POLICY}{number or ''}", file)
                for number, file in enumerate(policies)
            ]
            self._create_toolkit(
                CloudFormationExecutionPolicies=",".join(arns),
                FileAssetsBucketKmsKeyId="AWS_MANAGED_KEY",
            )

    def _create_toolkit(self, **parameters: str) -> None:
        client = self.cloud.client("cloudformation")
        try:
            client.create_stack(
                StackName=_TOOLKIT,
                TemplateBody=BOOTSTRAP_TEMPLATE.read_text(encoding="utf-8"),
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value}
                    for key, value in parameters.items()
                ],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            client.get_waiter("stack_create_complete").wait(
                StackName=_TOOLKIT, WaiterConfig=_EVERY_TENTH_OF_A_SECOND
            )
        except FileNotFoundError:
            raise CdkError(NOT_INSTALLED) from None
        except (botocore.exceptions.ClientError, botocore.exceptions.WaiterError) as error:
            raise CdkError(f"the stack {_TOOLKIT} was not created: {error}") from None

    def _create_policy(self, name: str, file: Path) -> str:
        try:
            made = self.cloud.client("iam").create_policy(
                PolicyName=name, PolicyDocument=file.read_text(encoding="utf-8")
            )
        except botocore.exceptions.ClientError as error:
            reason = error.response["Error"]["Message"]
            raise CdkError(f"{file} is not a policy that IAM takes: {reason}") from None
        except (OSError, UnicodeDecodeError, botocore.exceptions.ParamValidationError) as error:
            raise CdkError(f"{file} is not a policy that IAM takes: {error}") from None
        return str(made["Policy"]["Arn"])

    def upload_model(
        self, archive: Path, *, bucket: str, key: str, transferred: Transferred | None = None
    ) -> str:
        """Upload a model's archive to a bucket, created if necessary; return its s3:// URI.

        Large files go up in parts, by boto3's transfer manager.

        Raises:
            CdkError: if S3 refuses it.
        """
        from boto3.s3.transfer import TransferConfig

        s3 = self.cloud.client("s3")
        size, sent = archive.stat().st_size, 0

        def count(number: int) -> None:
            nonlocal sent
            sent += number
            if transferred is not None:
                transferred(sent, size)

        config = TransferConfig(
            multipart_threshold=_MULTIPART_BYTES,
            multipart_chunksize=_MULTIPART_BYTES,
            use_threads=False,  # the callback is then called in this thread, in order
        )
        try:
            self.cloud.create_bucket(bucket)
            s3.upload_file(str(archive), bucket, key, Callback=count, Config=config)
        except Exception as error:
            raise CdkError(f"uploading {archive.name} to s3://{bucket}/{key}: {error}") from error
        return f"s3://{bucket}/{key}"

    def deploy(self, context: Mapping[str, str], *, stacks: tuple[str, ...] = ()) -> None:
        """Deploy all stacks, or those named; with other context it is an update.

        A stack that fails rolls back, as on AWS.

        Raises:
            CdkError: with the reasons that the app or CloudFormation gave.
        """
        options = ["--require-approval=never", "--progress=events", "--no-notices"]
        self._cli.run("deploy", *(stacks or ("--all",)), *options, context=context)

    def destroy(self, context: Mapping[str, str], *, stacks: tuple[str, ...] = ()) -> None:
        """Delete all stacks, or those named.

        Raises:
            CdkError: with the reasons that CloudFormation gave.
        """
        self._cli.run("destroy", *(stacks or ("--all",)), "--force", context=context)

    def outputs(self, stack: str) -> dict[str, str]:
        """Return a stack's outputs by their names.

        Raises:
            CdkError: if there is no such stack, or it is not complete.
        """
        found = self._describe(stack)
        status = found["StackStatus"]
        if not re.fullmatch(r"(CREATE|UPDATE|UPDATE_ROLLBACK)_COMPLETE", status):
            raise CdkError(f"the stack {stack} is {status}")
        return {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", [])}

    def _describe(self, stack: str) -> Mapping[str, Any]:
        try:
            reply = self.cloud.client("cloudformation").describe_stacks(StackName=stack)
        except botocore.exceptions.ClientError as error:
            raise CdkError(error.response["Error"]["Message"]) from None
        found: Mapping[str, Any] = reply["Stacks"][0]
        return found

    @property
    def _cli(self) -> CdkCli:
        return CdkCli(
            folder=self.folder,
            environment={**self.cloud.environment(), **WITHOUT_VALIDATION},
            app=self.app,
            output=self.cloud.data / "cdk.out",
            say=self.say,
            asked_to_stop=self.asked_to_stop,
        )
