"""A V1 core device: it runs the group that is deployed to it, as long as it runs."""

from __future__ import annotations

import random as random_module
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.schema import ConfigurationError

from ...ipc.router import Unsubscribe
from ...nucleus.artifacts import ArtifactError
from ...v1.core import V1Core, V1Identity, V1Services
from ...v1.group import GroupDocuments, GroupError
from ...v1.resources import ResourceError
from ..agent import CloudUnreachableError, DeviceAgent
from ..downloads import download
from ..setup import CoreConfiguration
from .group import download_link, read_group
from .kept import KeptDownloads, KeptGroup, last_group, remove_all
from .orders import OrdersClient, OrdersRefusedError

_CONNECT_SECONDS = 15.0
_UNUSABLE = (GroupError, ConfigurationError, ResourceError, ArtifactError, OSError)
"""Why a group cannot be run on this core; whatever ran before then goes on."""


@dataclass(frozen=True)
class _Group:
    id: str
    documents: GroupDocuments
    services: V1Services


class V1Device(DeviceAgent):
    """A context in which a core works: connected, with the latest group deployed to it.

    ``endpoint`` is the API of the cloud; ``seed`` makes the connector's random sampling
    repeatable. ``on_verdict`` is called with the result of each deployment.
    """

    def __init__(
        self,
        configuration: CoreConfiguration,
        *,
        endpoint: str,
        on_verdict: Callable[[str, str], None] = lambda status, reason: None,
        seed: int | None = None,
    ) -> None:
        super().__init__(configuration, endpoint=endpoint, on_verdict=on_verdict)
        self._cloud = OrdersClient(endpoint, configuration.thing_name)
        self.core: V1Core | None = None
        self._random = random_module.Random(seed)
        self._group: _Group | None = None
        self._orders: str | None = None
        self._running = ExitStack()

    def log_of(self, arn: str) -> Path | None:
        """Return the file that takes what a function or a connector says, once there is a group."""
        return self.core.log_of(arn) if self.core is not None else None

    @property
    def parts(self) -> tuple[str, ...]:
        """The ARNs of the group's functions."""
        return tuple(one.arn for one in self._group.documents.functions) if self._group else ()

    @property
    def deployed(self) -> tuple[str, ...]:
        """The same: a group's deployment has all of its functions."""
        return self.parts

    def _open_core(self, opened: ExitStack) -> None:
        opened.callback(lambda: self._running.close())

    def _on_unreachable(self) -> None:
        self._orders = None

    def _work(self) -> None:
        self._obey(self._cloud.orders())

    def _obey(self, orders: Mapping[str, Any] | None) -> None:
        if orders is None:
            if self._group is not None:  # a forced reset, after which the group was deleted
                self._reset()
                self._on_verdict("Success", "")
        elif orders["deploymentId"] != self._orders:
            self._orders = orders["deploymentId"]
            self._carry_out(orders)

    def _reset(self) -> None:
        self._running.close()
        self._group = None
        remove_all(self._configuration.root)

    def _carry_out(self, orders: Mapping[str, Any]) -> None:
        group_id, version = orders["groupId"], orders["groupVersionId"]
        if orders["deploymentType"] in ("ResetDeployment", "ForceResetDeployment"):
            self._reset()
            self._on_verdict("Success", "")  # first: a forced reset's group may be gone by now
            self._report(group_id, "Success", "")
        elif orders["status"] != "Failure":
            reason = self._switch_to(KeptGroup(orders["deploymentId"], group_id, version))
            self._resume()
            self._conclude(group_id, "Failure" if reason else "Success", reason)
        elif self._group is None:
            self._resume()
            self._on_verdict("Failure", orders["error"] or "")

    def _resume(self) -> None:
        """Run what the core ran before it was started again, if it runs nothing."""
        last = last_group(self._configuration.root)
        if self._group is None and last is not None and last.deployment != self._orders:
            self._switch_to(last)

    def _conclude(self, group_id: str, status: str, reason: str) -> None:
        self._report(group_id, status, reason)
        self._on_verdict(status, reason)

    def _report(self, group_id: str, status: str, reason: str) -> None:
        self._cloud.report(
            {
                "groupId": group_id,
                "deploymentId": self._orders,
                "status": status,
                "error": reason or None,
            }
        )

    def _switch_to(self, wanted: KeptGroup) -> str:
        """Run this version instead of what runs; return why not, if it cannot be."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = self._client("greengrass")
            documents = read_group(client, wanted.group, wanted.version)
            downloads = KeptDownloads(self._configuration.root, wanted)
            group = _Group(wanted.group, documents, self._services(downloads))
        except BotoCoreError as error:
            raise CloudUnreachableError(f"the group cannot be read: {error}") from error
        except (ClientError, GroupError) as error:
            return str(error)
        self._running.close()
        try:
            self._start(group)
        except CloudUnreachableError:
            raise
        except _UNUSABLE as error:
            if self._group is not None:
                downloads.remove()
                self._start(self._group)
            return str(error)
        downloads.keep_only()
        self._group = group
        return ""

    def _start(self, group: _Group) -> None:
        if not self.broker.wait_until_connected(_CONNECT_SECONDS):
            raise CloudUnreachableError(f"the broker is not connected ({self.broker.fault})")
        identity = V1Identity(
            self._configuration.thing_name,
            group.id,
            self._configuration.root,
            self._configuration.region,
        )
        core = V1Core(identity, group.documents, group.services, random=self._random.random)
        with ExitStack() as opened:
            opened.enter_context(core)
            for topic_filter in core.router.cloud_filters:
                opened.callback(self._subscribe(topic_filter, core))
            self.core = core
            self._running = opened.pop_all()

    def _subscribe(self, topic_filter: str, core: V1Core) -> Unsubscribe:
        return self.broker.subscribe_to_cloud(topic_filter, 1, core.from_cloud)

    def _services(self, downloads: KeptDownloads) -> V1Services:
        """Return what a group's core needs of the cloud; samples go up by the group's role."""
        functions, models = self._client("lambda"), self._client("s3")
        samples = self._samples()

        def fetch_code(arn: str) -> bytes:
            def fetch(file: Path) -> None:
                try:
                    download(download_link(functions, arn), file)
                except Exception as error:  # botocore's are many
                    raise OSError(f"the code of {arn}: {error}") from error

            return downloads.get(arn, fetch).read_bytes()

        def fetch_model(source: str, destination: Path) -> None:
            def fetch(file: Path) -> None:
                try:
                    uri = self._output_of(source) if source.startswith("arn:") else source
                    bucket, _, key = uri.removeprefix("s3://").partition("/")
                    models.download_file(bucket, key, str(file))
                except Exception as error:  # botocore's are many
                    raise OSError(str(error)) from error

            shutil.copyfile(downloads.get(source, fetch), destination)

        def put_object(bucket: str, key: str, body: bytes, content_type: str) -> None:
            samples.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)

        def publish(topic: str, payload: bytes, qos: int) -> None:
            self.broker.publish_to_cloud("", topic, qos, payload)

        return V1Services(fetch_code, fetch_model, put_object, publish)

    def _samples(self) -> Any:
        """Return a client of S3 with the credentials of the group's role, which it renews.

        Raises:
            GroupError: if the role gives none.
        """
        import boto3
        import botocore.session
        from botocore.credentials import RefreshableCredentials

        def fetch() -> dict[str, str]:
            given = self._cloud.credentials()
            return {
                "access_key": given["accessKeyId"],
                "secret_key": given["secretAccessKey"],
                "token": given["sessionToken"],
                "expiry_time": given["expiration"],
            }

        try:
            session = botocore.session.get_session()
            session._credentials = RefreshableCredentials.create_from_metadata(
                metadata=fetch(), refresh_using=fetch, method="group-role"
            )
        except OrdersRefusedError as error:
            raise GroupError(str(error)) from None
        return boto3.Session(botocore_session=session).client(
            "s3", endpoint_url=self._endpoint, region_name=self._configuration.region
        )

    def _output_of(self, training_job: str) -> str:
        """Return the URI of a training job's model. On AWS, the service looks that up."""
        name = training_job.rpartition("/")[2]
        found = self._client("sagemaker").describe_training_job(TrainingJobName=name)
        if found["TrainingJobArn"] != training_job:
            raise OSError(f"the training job {name} is {found['TrainingJobArn']}")
        uri: str = found["ModelArtifacts"]["S3ModelArtifacts"]
        return uri

    def _client(self, service: str) -> Any:
        """Return a client of the cloud's API.

        A V1 core shows its certificate to AWS; here it is the account's root user instead.
        """
        import boto3

        return boto3.client(
            service,
            endpoint_url=self._endpoint,
            region_name=self._configuration.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
