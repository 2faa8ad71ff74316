"""The local cloud as its users see it: a process of its own, started and ended with a context."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, Literal

from ..errors import LocalCoreError
from ..processes.environments import of_cloud, of_this_machine
from . import location

Part = Literal["http", "mqtt", "credentials", "s3"]

_REPOSITORY = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0
_CONTROL_SECONDS = 15.0
_STOP_SECONDS = 8.0


class LocalCloudError(LocalCoreError):
    """The local cloud did not start, or does not answer, with the last line of its log."""


class LocalCloud:
    """A cloud on loopback with one account and Region; it ends with the context or its parent.

    With ``data``, its log, authority certificate and CDK cache are kept there. They are not read
    back: each cloud starts empty. A part that is stopped keeps its data.
    """

    account = location.ACCOUNT
    mqtt_host = location.HOST

    def __init__(self, *, data: Path | None = None, region: str = location.DEFAULT_REGION) -> None:
        self.region = region
        self._is_temporary = data is None
        self.data = data or Path(tempfile.mkdtemp(prefix="local-cloud-"))
        self.data.mkdir(parents=True, exist_ok=True)
        self.data = self.data.resolve()
        self.log = self.data / "cloud.log"
        self.endpoint = ""
        self.mqtt_port = 0
        self.credential_endpoint = ""
        self.ca_path = self.data / "ca.pem"
        self._process: subprocess.Popen[str] | None = None
        self._clients: dict[str, Any] = {}

    def start(self) -> LocalCloud:
        """Start the process and wait until it serves.

        Raises:
            LocalCloudError: if it ends, or is not ready within a minute.
        """
        command = [sys.executable, "-m", "local_core.cloud.server", str(self.data)]
        if self._is_temporary:
            command.append("temporary")
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                cwd=_REPOSITORY,
                env={**of_this_machine(), location.REGION_VARIABLE: self.region},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C in a terminal is for the parent, which stops us
            )
        try:
            addresses = self._read(_START_SECONDS)["ready"]
        except BaseException as failure:
            if isinstance(failure, LocalCloudError):
                self._is_temporary = False  # keep the log that the error names
            self.stop()
            raise
        self.endpoint = addresses["endpoint"]
        self._clients.clear()
        self.mqtt_port = addresses["mqtt_port"]
        self.credential_endpoint = addresses["credential_endpoint"]
        return self

    def stop(self) -> None:
        """End the process and everything that it started; temporary data goes too."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                _pipe(process.stdin).close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            # Even if it has ended: a Lambda function of its group may still be running.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            _pipe(process.stdout).close()
        if self._is_temporary:
            shutil.rmtree(self.data, ignore_errors=True)

    def has_ended(self) -> bool:
        """Return whether the process is gone; :meth:`start` has seen it serve."""
        return self._process is None or self._process.poll() is not None

    def check(self) -> None:
        """Return if the process is there.

        Raises:
            LocalCloudError: if it has ended.
        """
        if self.has_ended():
            raise self._failure("has ended")

    def stop_part(self, part: Part) -> None:
        """Stop one part: it refuses connections, or for S3 answers 503."""
        self._control("stop", part)

    def start_part(self, part: Part) -> None:
        """Start a stopped part again, at its old address and with its data."""
        self._control("start", part)

    def environment(self) -> dict[str, str]:
        """Return the environment in which AWS's SDKs and tools, in any language, find this cloud.

        It is this process's own, without variables that would lead elsewhere.
        """
        return of_cloud(
            self.endpoint,
            region=self.region,
            root_ca=self.ca_path,
            cdk_home=self.data / "cdk",
        )

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of this cloud: with ``options`` a new one, else always the same.

        Clients may be shared by threads.
        """
        import boto3

        found = None if options else self._clients.get(service)
        if found is None:
            found = boto3.client(
                service,
                endpoint_url=self.endpoint,
                region_name=self.region,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                **options,
            )
        if not options:
            self._clients[service] = found
        return found

    def create_bucket(self, name: str) -> None:
        """Create a bucket in this cloud's Region, which S3 wants named except in us-east-1."""
        where = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        self.client("s3").create_bucket(
            Bucket=name, **({} if self.region == location.DEFAULT_REGION else where)
        )

    def __enter__(self) -> LocalCloud:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _control(self, verb: str, part: str) -> None:
        process = self._process
        if process is None:
            raise LocalCloudError("the local cloud is not running")
        try:
            stdin = _pipe(process.stdin)
            stdin.write(json.dumps({"do": verb, "part": part}) + "\n")
            stdin.flush()
        except BrokenPipeError:
            raise self._failure("has ended") from None
        reply = self._read(_CONTROL_SECONDS)
        if "error" in reply:
            raise self._failure(f"did not {verb} {part}: {reply['error']}")

    def _read(self, seconds: float) -> dict[str, Any]:
        """Return the next reply of the process, which is one line."""
        assert self._process is not None
        stdout = _pipe(self._process.stdout)
        deadline = time.monotonic() + seconds
        readable, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise self._failure(f"did not answer within {seconds:g} s")
        line = stdout.readline()
        if not line:
            self._process.wait()
            raise self._failure(f"ended with exit code {self._process.returncode}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _failure(self, what: str) -> LocalCloudError:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        last = lines[-1].strip() if lines else "nothing was logged"
        return LocalCloudError(f"the local cloud {what}: {last} (log: {self.log})")


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None, "the process was started with pipes"
    return stream
