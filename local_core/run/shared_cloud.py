"""The cloud of one run, which its cores share, and deployments to it."""

from __future__ import annotations

import re
import tarfile
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from inference.feedback.metadata import MASK_SUFFIX
from inference.model.artifacts.onnx_files import is_onnx, weights_beside

from ..cloud import DEFAULT_REGION, LocalCloud
from ..cloud.deployment.deploy import Deployer
from ..device.setup import create_certificate
from ..output.progress import Progress
from ..processes.background import Background
from ..processes.cdk import REPOSITORY, CdkError, lines_into
from ..processes.folder_lock import exclusive
from ..processes.interrupts import Interrupts
from .target import PreparedCore, Target

MODEL_BUCKET = "greengrass-models"
"""AWS's managed policy lets the service role of V1 read buckets with this word in their names."""
DEPLOYER_POLICY = REPOSITORY / "stacks" / "deployer-policy.json"
"""What CloudFormation needs to deploy the app."""
MONITORING_POLICY = REPOSITORY / "stacks" / "deployer-policy-monitoring.json"
"""What CloudFormation needs in addition for a dashboard, alarms and actions."""
_NOT_IN_A_KEY = re.compile(r"[^A-Za-z0-9_.=+@,-]")
_LONGEST_NAME = 100
_ARCHIVES = REPOSITORY / "build" / "models"
_POLL_SECONDS = 0.1


class SharedCloud:
    """A context with a running local cloud; the folder ``state`` outlives the run."""

    def __init__(
        self,
        state: Path,
        progress: Progress,
        interrupts: Interrupts,
        *,
        region: str = DEFAULT_REGION,
    ) -> None:
        self._state = state
        self._progress = progress
        self._interrupts = interrupts
        self._open = ExitStack()
        self.cloud = LocalCloud(data=state / "cloud", region=region)

    def __enter__(self) -> SharedCloud:
        with ExitStack() as opened:
            refusal = f"another run works in {self._state}: stop it first"
            opened.enter_context(exclusive(self._state / "lock", refusal))
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

    def bootstrap(self, *policies: Path) -> None:
        """Create the stack that deployments of the CDK need, which may do what ``policies`` allow.

        Without ``policies`` they are those of this project.

        Raises:
            CdkError: if a file is not a policy, the CLI is not installed, or the stack fails.
        """
        self._progress.say(f"bootstrapping aws://{self.cloud.account}/{self.cloud.region}")
        self.deployer().bootstrap(*(policies or (DEPLOYER_POLICY, MONITORING_POLICY)))
        self._interrupts.check()

    def prepare(self, target: Target) -> PreparedCore:
        """Create a core's certificate and upload its model.

        Raises:
            CdkError: if S3 refuses the model.
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
            key=f"{target.core_name}/{object_name(archive)}",
            transferred=self._progress.bar(f"uploading {archive.name}"),
        )
        self._progress.say(f"{target.core_name}: uploaded the model to {uri}")
        context = target.context(certificate_id=certificate.id, model_uri=uri)
        target.generation.prepare_account(self.cloud.client)
        return PreparedCore(target, root, certificate, context)

    def deployer(self, app: Path | None = None, log: Path | None = None) -> Deployer:
        """Return a deployer of the app, or of an assembly of it, whose lines go into ``log``."""
        made = Deployer(
            cloud=self.cloud,
            folder=REPOSITORY,
            app=None if app is None else str(app),
            asked_to_stop=lambda: self._interrupts.asked() or self.cloud.has_ended(),
        )
        return made if log is None else replace(made, say=lines_into(log))

    def deploy(self, prepared: PreparedCore, assembly: Path) -> Mapping[str, str]:
        """Run ``cdk deploy``, and return the stack's outputs as soon as CloudFormation is done.

        The CLI, which looks only every few seconds, may still be waiting then; leaving the
        context waits for it.

        Raises:
            CdkError: with the reasons of the CLI or of CloudFormation.
            LocalCloudError: if the cloud has ended.
            Interrupted: if the user asked to stop.
        """
        deployer = self.deployer(assembly, prepared.root / "cdk-deploy.log")
        complete = threading.Event()

        def carry_out() -> None:
            try:
                deployer.deploy({}, stacks=(prepared.stack,))
            except CdkError:
                is_stopped = complete.is_set() and self._interrupts.asked()  # it only waited
                if not (is_stopped or self.cloud.has_ended()):
                    raise

        running = Background(carry_out, name="cdk-deploy")
        self._open.callback(running.join)
        while True:
            self._interrupts.check()
            self.cloud.check()
            try:
                outputs = deployer.outputs(prepared.stack)
            except CdkError:
                if running.join(_POLL_SECONDS):
                    return deployer.outputs(prepared.stack)
            else:
                complete.set()
                return outputs

    def finish_deployment(self, prepared: PreparedCore, outputs: Mapping[str, str]) -> None:
        """Do what a user does after ``cdk deploy`` of this core's generation."""
        prepared.target.generation.finish_deployment(self.cloud.client, outputs)

    def samples(self, bucket: str) -> list[str]:
        """Return the keys of a feedback bucket's samples, without the masks beside them."""
        pages = self.cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return [key for key in keys if not key.endswith(MASK_SUFFIX)]


def object_name(archive: Path) -> str:
    """Return the name of an object for ``archive``, of the characters that ``modelS3Uri`` takes."""
    return _NOT_IN_A_KEY.sub("-", archive.name)[-_LONGEST_NAME:]


def model_archive(model: Path) -> Path:
    """Return ``model`` as an archive: a folder is packed, unless that was done already.

    So is an ``.onnx`` file with the weights that it keeps beside it.
    """
    if model.is_dir():
        root, files = model, sorted(path for path in model.rglob("*") if path.is_file())
    elif is_onnx(model) and model.is_file() and (weights := weights_beside(model)):
        root, files = model.parent, [model, *weights]
    else:
        return model
    archive = _ARCHIVES / f"{model.name}.tar.gz"
    newest = max((path.stat().st_mtime for path in files), default=0.0)
    if archive.exists() and archive.stat().st_mtime >= newest and archive.parent == model.parent:
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{archive.name}.", dir=archive.parent) as folder:
        partial = Path(folder) / archive.name
        with tarfile.open(partial, "w:gz", compresslevel=1) as opened:
            for path in files:
                opened.add(path, path.relative_to(root).as_posix(), filter=_anonymous)
        return partial.replace(archive)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
