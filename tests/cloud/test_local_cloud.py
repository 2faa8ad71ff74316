"""The life of the local cloud: it starts in seconds beside others and leaves nothing behind."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_core.cloud import LocalCloud, LocalCloudError
from tests.cloud.support import Device, MqttClient
from tests.waiting import eventually

REPOSITORY = Path(__file__).parents[2]
_PARENT = """
import sys, time
from local_core.cloud import LocalCloud
cloud = LocalCloud()
cloud.start()
print(cloud._process.pid, cloud.data, flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def own() -> Iterator[LocalCloud]:
    """A cloud that these tests may stop in part."""
    with LocalCloud() as running:
        yield running


def _listening(process: int) -> set[str]:
    """Return the local addresses, as /proc/net writes them, on which a process listens."""
    inodes = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            inodes.add(str(link.readlink()))
        except OSError:
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                found.add(fields[1].partition(":")[0])
    return found


def _group(leader: int) -> list[int]:
    """Return the processes of a group that are alive; dead ones may wait for init to notice."""
    members = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, group = (entry / "stat").read_text().rpartition(") ")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(group) == leader and state != "Z":
            members.append(int(entry.name))
    return members


def test_starts_within_five_seconds_and_listens_on_loopback_only() -> None:
    began = time.monotonic()
    with LocalCloud() as cloud:
        assert time.monotonic() - began < 5
        assert cloud._process is not None
        assert _listening(cloud._process.pid) == {"0100007F"}
        leader, data = cloud._process.pid, cloud.data
    assert _group(leader) == []
    assert not data.exists()


def test_two_clouds_side_by_side_share_nothing(cloud: LocalCloud, own: LocalCloud) -> None:
    own.client("s3").create_bucket(Bucket="only-here")
    names = [b["Name"] for b in cloud.client("s3").list_buckets()["Buckets"]]
    assert "only-here" not in names
    assert cloud.mqtt_port != own.mqtt_port


def test_starts_beside_another_program_on_the_usual_ports() -> None:
    held = []
    for port in (4566, 8883):
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", port))
            holder.listen()
        except OSError:
            pass  # somebody holds it already, which is what this test needs
        held.append(holder)
    try:
        with LocalCloud() as cloud:
            assert cloud.client("sts").get_caller_identity()["Account"] == "000000000000"
    finally:
        for holder in held:
            holder.close()


def test_function_that_is_running_ends_with_its_cloud() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("index.py", "import time\ndef handler(event, context): time.sleep(60)\n")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    with LocalCloud() as cloud:
        role = cloud.client("iam").create_role(
            RoleName="sleeper", AssumeRolePolicyDocument=json.dumps(document)
        )
        functions = cloud.client("lambda")
        functions.create_function(
            FunctionName="sleeper",
            Runtime="python3.13",
            Handler="index.handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": archive.getvalue()},
            Timeout=60,
        )
        functions.invoke(FunctionName="sleeper", InvocationType="Event")
        assert cloud._process is not None
        leader = cloud._process.pid
        eventually(lambda: len(_group(leader)) == 2)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    eventually(lambda: _group(leader) == [])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ends_when_its_parent_is_killed(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    number_of_leader, data = parent.stdout.readline().split()
    leader = int(number_of_leader)
    assert _group(leader)
    parent.send_signal(number)
    parent.wait()
    parent.stdout.close()
    eventually(lambda: _group(leader) == [], 10)
    assert not Path(data).exists()


def test_a_cloud_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "tmp").write_text("a file where a folder must be")
    with pytest.raises(LocalCloudError, match=r"ended with exit code 1: .*FileExistsError"):
        LocalCloud(data=tmp_path).start()


def test_environment_leads_nowhere_else(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    environment = cloud.environment()
    assert "AWS_PROFILE" not in environment and "HTTPS_PROXY" not in environment
    command = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    output = subprocess.check_output([sys.executable, "-c", command], env=environment, text=True)
    assert output.strip() == "000000000000"


def test_endpoint_that_was_stopped_comes_back_with_its_buckets(own: LocalCloud) -> None:
    own.client("s3").create_bucket(Bucket="kept")
    own.stop_part("http")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(own.endpoint.rsplit(":", 1)[1])))
    own.start_part("http")
    assert "kept" in [b["Name"] for b in own.client("s3").list_buckets()["Buckets"]]


def test_s3_alone_can_be_down(own: LocalCloud) -> None:
    s3 = own.client("s3")
    s3.create_bucket(Bucket="flaky")
    own.stop_part("s3")
    from botocore.config import Config
    from botocore.exceptions import ClientError

    impatient = own.client("s3", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        impatient.put_object(Bucket="flaky", Key="a", Body=b"a")
    assert own.client("sts").get_caller_identity()["Account"] == "000000000000"
    own.start_part("s3")
    s3.put_object(Bucket="flaky", Key="a", Body=b"a")


def test_broker_that_was_stopped_comes_back_at_its_port(own: LocalCloud) -> None:
    device = Device.registered(own)
    device.allow("iot:Connect", f"client/{device.thing}")
    with MqttClient(device, reconnects=True) as client:
        eventually(lambda: client.connected == ["Success"])
        own.stop_part("mqtt")
        eventually(lambda: client.failed)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((own.mqtt_host, own.mqtt_port))
        own.start_part("mqtt")
        eventually(lambda: client.connected == ["Success", "Success"])


def test_unknown_part_is_an_error(own: LocalCloud) -> None:
    with pytest.raises(LocalCloudError, match="did not stop dynamodb: KeyError"):
        own.stop_part("dynamodb")  # type: ignore[arg-type]
