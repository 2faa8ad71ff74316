"""The cloud of one run with everything in it that cores share, and deployments to it."""

from __future__ import annotations

import fcntl
import json
import shlex
import tarfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stacks import names

from .cloud import LocalCloud
from .cloud.deployment.deploy import Deployer, DeployError
from .device.setup import Certificate, create_certificate
from .errors import LocalCoreError
from .interrupts import Interrupts
from .progress import Progress
from .synthesis import REPOSITORY, Target

MODEL_BUCKET = "greengrass-models"
"""AWS's managed policy lets the service role of V1 read buckets with this word in their names."""
_ARCHIVES = REPOSITORY / "build" / "models"
_POLL_SECONDS = 0.1
_SERVICE_ROLE = "Greengrass_ServiceRole"


class SiteBusyError(LocalCoreError):
    """Another run works in the same folder."""


@dataclass(frozen=True)
class Prepared:
    """What a core needs before it is deployed: its certificate, its folder, the app's context."""

    target: Target
    root: Path
    certificate: Certificate
    context: Mapping[str, str]

    @property
    def stack(self) -> str:
        """The name of the core's stack."""
        return names.stack_name(self.target.core_name)


class Site:
    """A context with a running local cloud, made ready for CDK; ``state`` outlives the run."""

    def __init__(self, state: Path, progress: Progress, interrupts: Interrupts) -> None:
        self._state = state
        self._progress = progress
        self._interrupts = interrupts
        self._open = ExitStack()
        self.cloud = LocalCloud(data=state / "cloud")

    def __enter__(self) -> Site:
        with ExitStack() as opened:
            self._claim(opened)
            self._progress.say("starting a local cloud")
            opened.enter_context(self.cloud)
            self._progress.say(
                f"the local cloud serves AWS's APIs at {self.cloud.endpoint}, "
                f"MQTT at {self.cloud.mqtt_host}:{self.cloud.mqtt_port}"
            )
            self._open = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def bootstrap(self) -> None:
        """Make what deployments need; and the service role of V1, once an account as well.

        Raises:
            DeployError: if the CLI fails.
        """
        self._progress.say(f"cdk bootstrap aws://{self.cloud.account}/{self.cloud.region}")
        self.deployer().bootstrap()
        self._interrupts.check()

    def prepare(self, target: Target) -> Prepared:
        """Create a core's certificate and upload its model.

        Raises:
            DeployError: if S3 refuses the model.
        """
        root = self._state / target.core_name
        certificate = create_certificate(self.cloud.client("iot"), root, self.cloud.ca_path)
        self._progress.say(
            f"{target.core_name}: created certificate {certificate.id[:12]}…, "
            f"its key is {certificate.private_key}"
        )
        archive = model_archive(target.model)
        uri = self.deployer().upload_model(
            archive,
            bucket=MODEL_BUCKET,
            key=f"{target.core_name}/{archive.name}",
            transferred=self._progress.bar(f"uploading {archive.name}"),
        )
        self._progress.say(f"{target.core_name}: uploaded the model to {uri}")
        context = target.context(certificate_id=certificate.id, model_uri=uri)
        if target.greengrass_version == 1:
            self.associate_service_role()
        return Prepared(target, root, certificate, context)

    def deployer(self, app: Path | None = None, log: Path | None = None) -> Deployer:
        """Return a deployer of the app, or of an assembly of it, whose lines go into ``log``."""
        made = Deployer(
            cloud=self.cloud,
            folder=REPOSITORY,
            app=None if app is None else str(app),
            asked_to_stop=self._interrupts.asked,
        )
        if log is None:
            return made
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        return replace(made, say=lambda line: _append(log, line))

    def deploy(self, prepared: Prepared, assembly: Path) -> Mapping[str, str]:
        """Run ``cdk deploy``, and return the stack's outputs as soon as CloudFormation is done.

        The CLI, which looks only every few seconds, may still be waiting then; leaving the site
        waits for it.

        Raises:
            DeployError: with the reasons of the CLI or of CloudFormation.
            Interrupted: if the user asked to stop.
        """
        deployer = self.deployer(assembly, prepared.root / "cdk-deploy.log")
        running = _Background(lambda: deployer.deploy({}, stacks=(prepared.stack,)))
        self._open.callback(running.join)
        while True:
            self._interrupts.check()
            try:
                outputs = deployer.outputs(prepared.stack)
            except DeployError:
                if running.join(_POLL_SECONDS):
                    return deployer.outputs(prepared.stack)
            else:
                return outputs

    def deploy_group(self, outputs: Mapping[str, str]) -> None:
        """Give a V1 core its group, as the output ``CommandToDeployGroup`` says."""
        words = shlex.split(outputs["CommandToDeployGroup"])
        request = json.loads(words[words.index("--cli-input-json") + 1])
        self.cloud.client("greengrass").create_deployment(**request)

    def associate_service_role(self) -> None:
        """Do what a user of V1 does once an account: name the role that reads models in S3."""
        iam, greengrass = self.cloud.client("iam"), self.cloud.client("greengrass")
        try:
            greengrass.get_service_role_for_account()
        except Exception:  # not associated yet
            arn = iam.create_role(
                RoleName=_SERVICE_ROLE, AssumeRolePolicyDocument=_trust("greengrass.amazonaws.com")
            )["Role"]["Arn"]
            greengrass.associate_service_role_to_account(RoleArn=arn)

    def samples(self, bucket: str) -> list[str]:
        """Return the keys of a feedback bucket's objects."""
        pages = self.cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def _claim(self, opened: ExitStack) -> None:
        self._state.mkdir(parents=True, exist_ok=True)
        lock = opened.enter_context((self._state / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SiteBusyError(f"another run works in {self._state}") from None


class _Background:
    """A call on a thread of its own."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._error: BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run, name="cdk-deploy", daemon=True)
        self._thread.start()

    def join(self, seconds: float | None = None) -> bool:
        """Return whether the call has ended, after waiting for it; raise what it raised."""
        self._thread.join(seconds)
        if self._error is not None and not self._thread.is_alive():
            error, self._error = self._error, None
            raise error
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._call()
        except BaseException as error:
            self._error = error


def model_archive(model: Path) -> Path:
    """Return ``model`` as an archive: a folder is packed, unless that was done already."""
    if not model.is_dir():
        return model
    files = sorted(path for path in model.rglob("*") if path.is_file())
    archive = _ARCHIVES / f"{model.name}.tar.gz"
    newest = max((path.stat().st_mtime for path in files), default=0.0)
    if archive.exists() and archive.stat().st_mtime >= newest and archive.parent == model.parent:
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_name(f".{archive.name}.part")
    with tarfile.open(partial, "w:gz", compresslevel=1) as opened:
        for path in files:
            opened.add(path, path.relative_to(model).as_posix(), filter=_anonymous)
    return partial.replace(archive)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _trust(service: str) -> str:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _append(log: Path, line: str) -> None:
    with log.open("a") as opened:
        opened.write(line + "\n")
