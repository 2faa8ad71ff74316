"""``mli cloud``: up until it is stopped, and reached by other shells."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_core.processes.cdk import CLI, REPOSITORY
from local_core.processes.environments import for_local_cloud
from tests.waiting import eventually

pytestmark = pytest.mark.slow

USERS_OWN = {
    "AWS_PROFILE": "of-the-users-own",
    "AWS_SESSION_TOKEN": "of-the-users-own",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
    "HTTP_PROXY": "http://127.0.0.1:1",
}
QUESTION = """
import boto3, json, os
found = {
    "account": boto3.client("sts").get_caller_identity()["Account"],
    "buckets": [b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]],
    "stacks": [s["StackName"] for s in boto3.client("cloudformation").describe_stacks()["Stacks"]],
    "role": boto3.client("greengrass").get_service_role_for_account()["RoleArn"],
    "authority": os.path.isfile(os.environ["MLI_ROOT_CA"]),
}
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Command:
    """The command at work, and what it has said so far."""

    folder: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def environment(self) -> Path:
        return self.folder / "environment.sh"

    def said(self) -> str:
        return self.log.read_text()


@contextmanager
def command(folder: Path, **variables: str) -> Iterator[Command]:
    if not CLI.exists():
        pytest.skip("the CDK CLI is not installed: npm ci")
    log = folder.with_suffix(".log")
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "mli", "cloud", "--folder", str(folder)],
            cwd=REPOSITORY,
            env={**os.environ, **variables},
            stdout=stream,
            stderr=stream,
        )
        try:
            yield Command(folder, process, log)
        finally:
            process.terminate()
            process.wait(20)


def until_ready(started: Command) -> None:
    def is_ready() -> bool:
        assert started.process.poll() is None, started.said()
        return "ready, until Ctrl-C" in started.said()

    eventually(is_ready, 60)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    with command(tmp_path_factory.mktemp("up") / "a cloud", **USERS_OWN) as started:
        until_ready(started)
        yield started


def test_shell_that_reads_the_file_works_with_the_cloud(running: Command, tmp_path: Path) -> None:
    assert f"source {running.environment}" in running.said()
    done = subprocess.run(
        ["bash", "-c", 'source "$0" && python -c "$1"', str(running.environment), QUESTION],
        cwd=tmp_path,
        env={**os.environ, **USERS_OWN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["account"] == "000000000000"
    assert "greengrass-models" in found["buckets"]
    assert found["stacks"] == ["CDKToolkit"]
    assert found["role"].endswith("Greengrass_ServiceRole")
    assert found["authority"]


def test_second_cloud_in_the_same_folder_is_refused(running: Command) -> None:
    before = running.environment.read_text()
    done = subprocess.run(
        [sys.executable, "-m", "mli", "cloud", "--folder", str(running.folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"a local cloud is up already: `source {running.environment}`" in done.stderr
    assert running.environment.read_text() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_takes_the_cloud_and_its_file_away(number: int, tmp_path: Path) -> None:
    with command(tmp_path / "cloud") as started:
        until_ready(started)
        port = _port(started.environment)
        socket.create_connection(("127.0.0.1", port)).close()
        started.process.send_signal(number)
        assert started.process.wait(20) == 0, started.said()
    assert "stopping the local cloud" in started.said()
    assert not started.environment.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_cloud_that_ends_by_itself_is_reported(tmp_path: Path) -> None:
    with command(tmp_path / "cloud") as started:
        until_ready(started)
        pid = started.process.pid
        os.kill(_server_of(pid), signal.SIGKILL)
        assert started.process.wait(20) == 1
    assert "the local cloud has ended: " in started.said()
    assert not started.environment.exists()


def test_own_account_is_hidden_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "of-the-users-own")
    before = dict(os.environ)
    with for_local_cloud():
        assert {n: v for n, v in os.environ.items() if n.startswith("AWS_")} == {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_ENDPOINT_URL": "of-the-users-own",
        }
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("own", "meanwhile"),
    [("", "127.0.0.1,localhost"), ("a.example, localhost", "a.example,localhost,127.0.0.1")],
)
def test_this_machine_needs_no_proxy(
    own: str, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", own)
    with for_local_cloud():
        assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == meanwhile
    assert os.environ["NO_PROXY"] == own
    assert "no_proxy" not in os.environ


def _server_of(pid: int) -> int:
    """The child that is the cloud's server; another one is the watchdog of process groups."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    [server] = [
        int(child)
        for child in children
        if b"local_core.cloud.server" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return server


def _port(environment: Path) -> int:
    [line] = [line for line in environment.read_text().splitlines() if "AWS_ENDPOINT_URL=" in line]
    return int(line.rpartition(":")[2])
