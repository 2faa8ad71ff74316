"""``watch``: messages as they come, by certificate and by credentials, through interruptions."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders, HttpRequest
from botocore.credentials import ReadOnlyCredentials

from inference.names import FEEDBACK_PREDICTION_TOPIC
from local_core.cloud import LocalCloud
from mli.samples.messages import saved_messages
from mli.watch import connections as watch_connections
from mli.watch import listener as watch_listener
from mli.watch import signing as watch_signing
from mli.watch.columns import Columns
from mli.watch.display import Message, Tally
from mli.watch.record import Record
from tests.conftest import REPOSITORY
from tests.mli.support import Commands

from .conftest import Publishing

PREDICTION = [
    {"confidence": "0.93", "prediction": "dog"},
    {"confidence": "0.1", "prediction": "cat"},
]


@pytest.fixture
def speaking(publishing: Publishing) -> Callable[..., None]:
    """Let cores say something every 50 ms, until the test ends."""

    def start(*cores: str, payload: object = PREDICTION, topic: str = "") -> None:
        topics = [topic] if topic else [f"mli/predictions/{core}" for core in cores]
        publishing([(one, json.dumps(payload).encode()) for one in topics])

    return start


def connection_with(commands: Commands, name: str, port: int) -> list[str]:
    """Create a certificate; return the options that connect with it to this machine."""
    commands.run("certificate", name)
    return ["--certificate", f"certs/{name}", "--endpoint", f"127.0.0.1:{port}"]


def test_predictions_come_with_aws_credentials(
    commands: Commands, speaking: Callable[..., None]
) -> None:
    speaking("W1")
    result = commands.result("watch", "W1", "--count", "3", "--seconds", "20")
    lines = [text for text in result.stdout.splitlines() if "dog 0.93, cat 0.10" in text]
    assert len(lines) == 3
    assert lines[-1].endswith("/s")
    assert "3 predictions and 0 telemetry messages of 1 core" in result.stdout


def test_predictions_of_all_cores_come_with_a_certificate(
    commands: Commands, cloud: LocalCloud, speaking: Callable[..., None]
) -> None:
    commands.run("certificate", "workstation", "--watch")
    speaking("W2", "W3")
    connection = [
        "--certificate",
        "certs/workstation",
        "--endpoint",
        f"127.0.0.1:{cloud.mqtt_port}",
    ]
    said = commands.json("watch", "--all", *connection, "--count", "6", "--seconds", "20")
    assert {"W2", "W3"} <= set(said["summary"]["cores"])
    assert said["summary"]["predictions"] == 6


def test_certificate_of_a_watcher_may_not_publish(commands: Commands, cloud: LocalCloud) -> None:
    commands.run("certificate", "other", "--watch")
    document = cloud.client("iot").get_policy(policyName="other_Watch")["policyDocument"]
    actions = [statement["Action"] for statement in json.loads(document)["Statement"]]
    assert actions == ["iot:Connect", "iot:Subscribe", "iot:Receive"]


def test_certificate_without_a_policy_is_refused_with_what_it_needs(
    commands: Commands, cloud: LocalCloud
) -> None:
    connection = connection_with(commands, "lone", cloud.mqtt_port)
    said = commands.run("watch", "--all", *connection, "--seconds", "20", code=1)
    assert "refuses" in said
    assert "iot:Connect" in said
    assert "certificate NAME --watch" in said


def test_broker_that_cannot_be_reached_is_named(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_listener, "FIRST_SECONDS", 0.3)
    connection = connection_with(commands, "lone2", 9)
    said = commands.run("watch", "--all", *connection, "--seconds", "20", code=1)
    assert "127.0.0.1:9 cannot be reached" in said


def test_broker_that_could_not_be_reached_in_the_time_of_seconds_is_named(
    commands: Commands,
) -> None:
    connection = connection_with(commands, "lone4", 9)
    said = commands.run("watch", "--all", *connection, "--seconds", "0.5", code=1)
    assert "127.0.0.1:9 cannot be reached" in said
    Path("certs/lone4/AmazonRootCA1.pem").write_text("nonsense")
    said = commands.run("watch", "--all", *connection, "--seconds", "0.5", code=1)
    assert "certs/lone4/AmazonRootCA1.pem has no certificate that can be read" in said


def test_server_that_accepts_and_says_nothing_is_left_in_time(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_connections, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = connection_with(commands, "lone5", silent.getsockname()[1])
        started = time.monotonic()
        said = commands.run("watch", "--all", *connection, "--seconds", "1", code=1)
    assert "timed out" in said
    assert time.monotonic() - started < 10


def test_server_of_another_authority_is_not_trusted(
    commands: Commands, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connection_with(commands, "lone3", cloud.mqtt_port)
    Path("certs/lone3/AmazonRootCA1.pem").unlink()  # then the machine's own authorities count
    said = commands.run("watch", "--all", *connection, "--seconds", "20", code=1)
    assert "TLS failed" in said


def test_lines_are_kept_and_appended(commands: Commands, speaking: Callable[..., None]) -> None:
    speaking("W4")
    for _ in range(2):
        commands.run("watch", "W4", "--count", "2", "--seconds", "20", "--save", "kept.jsonl")
    lines = [json.loads(text) for text in Path("kept.jsonl").read_text().splitlines()]
    assert len(lines) == 4
    assert {item["topic"] for item in lines} == {"mli/predictions/W4"}
    assert lines[0]["payload"] == PREDICTION
    assert datetime.fromisoformat(lines[0]["received"]).tzinfo is not None


def test_too_few_predictions_in_time_is_a_failure(commands: Commands) -> None:
    said = commands.run("watch", "Silent", "--count", "1", "--seconds", "1", code=1)
    assert "0 of 1 predictions arrived" in said
    assert "status Silent" in said


def test_core_that_never_predicts_is_not_waited_for_without_end(
    commands: Commands, speaking: Callable[..., None]
) -> None:
    health = {"status": "degraded", "faults": ["model: there is no file model.onnx"]}
    speaking(topic="mli/telemetry/W11", payload={"health": health})
    said = commands.run("watch", "W11", "--count", "2", "--timeout", "1", code=1)
    assert "0 of 2 predictions arrived, and none in the last 1 s" in said
    assert said.rstrip().endswith("W11 reports model: there is no file model.onnx")


def test_connection_that_breaks_is_made_again(commands: Commands, tmp_path: Path) -> None:
    with LocalCloud() as own:
        iot, data = own.client("iot"), own.client("iot-data")
        made = iot.create_keys_and_certificate(setAsActive=True)
        folder = tmp_path / "workstation"
        folder.mkdir()
        (folder / "private.pem.key").write_text(made["keyPair"]["PrivateKey"])
        (folder / "device.pem.crt").write_text(made["certificatePem"])
        (folder / "AmazonRootCA1.pem").write_bytes(own.ca_path.read_bytes())
        statement = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iot.create_policy(policyName="all", policyDocument=document)
        iot.attach_policy(policyName="all", target=made["certificateArn"])
        ended = threading.Event()

        def live() -> None:
            for _ in range(40):
                data.publish(topic="mli/predictions/A", payload=b"[]")
                if ended.wait(0.05):
                    return
            own.stop_part("mqtt")
            own.start_part("mqtt")
            while not ended.wait(0.05):
                data.publish(topic="mli/predictions/B", payload=b"[]")

        thread = threading.Thread(target=live)
        thread.start()
        try:
            said = commands.json(
                *("watch", "--all", "--certificate", str(folder)),
                *("--endpoint", f"127.0.0.1:{own.mqtt_port}", "--seconds", "6"),
            )["summary"]
        finally:
            ended.set()
            thread.join()
        assert said["interruptions"] == 1
        assert set(said["cores"]) == {"A", "B"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_with_a_summary(
    commands: Commands, speaking: Callable[..., None], number: int
) -> None:
    speaking("W5")
    command = [sys.executable, "-m", "mli", "watch", "W5", "--save", str(commands.folder / "k")]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, number)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "and 0 telemetry messages of 1 core in" in rest
    assert [json.loads(text) for text in (commands.folder / "k").read_text().splitlines()]


def test_output_that_nobody_takes_ends_it(
    commands: Commands, speaking: Callable[..., None]
) -> None:
    speaking("W12")
    command = [sys.executable, "-m", "mli", "watch", "W12", "--seconds", "30"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=15) == 1
        assert process.stderr is not None
        assert "the connection broke" not in process.stderr.read()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=REPOSITORY, stdout=full, stderr=subprocess.PIPE, text=True, timeout=15
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "the connection broke" not in done.stderr


def test_half_a_line_of_another_program_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "kept.jsonl"
    file.write_text('{"whole": 1}\n{"ha')
    with Record(file) as record:
        record.add({"next": 2})
    assert file.read_text().splitlines() == ['{"whole": 1}', '{"ha', '{"next": 2}']


@pytest.mark.parametrize("token", [None, "a/token+with=signs"])
def test_address_is_signed_as_by_the_sdk(
    token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``mqtt_connection_builder.websockets_with_default_aws_signing`` signs."""
    moment = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment.replace(tzinfo=None))
    monkeypatch.setattr(watch_signing, "_VALID_SECONDS", 60)
    host = "abc-ats.iot.eu-west-1.amazonaws.com"
    ours = watch_signing.signed_path(
        ReadOnlyCredentials("AKIDEXAMPLE", "secret", token), host=host, region="eu-west-1"
    )
    config = AwsSigningConfig(
        algorithm=AwsSigningAlgorithm.V4,
        signature_type=AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS,
        credentials_provider=AwsCredentialsProvider.new_static("AKIDEXAMPLE", "secret", token),
        region="eu-west-1",
        service="iotdevicegateway",
        date=moment,
        omit_session_token=True,
        expiration_in_seconds=60,
    )
    request = HttpRequest("GET", "/mqtt", HttpHeaders([("host", host)]))
    theirs = aws_sign_request(request, config).result(10).path
    assert _query(ours) == _query(theirs)


def _query(path: str) -> set[str]:
    return set(path.partition("?")[2].split("&"))


def test_envelope_and_telemetry_are_shown() -> None:
    now = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
    envelope = {"core": "A", "predictions": [{"label": "dog", "score": 0.5}] * 5}
    telemetry = {
        "health": {"status": "degraded", "faults": ["no camera: gone"]},
        "frames": {"predicted": 7, "perSecond": 0.2},
        "latencyMs": {"inference": {"p50": 1.5, "p95": 2.5}},
        "memoryBytes": 2**20 * 300,
    }

    def shown(kind: str, content: Any, rate: float | None = None) -> str:
        message = Message.parse(f"mli/{kind}/A", json.dumps(content).encode(), now)
        assert message is not None
        return Columns().line(message, rate)

    assert shown("predictions", envelope, 0.25).endswith(
        "dog 0.50, dog 0.50, dog 0.50 (+2)  0.25/s"
    )
    assert "degraded · no camera: gone · 7 frames, 0.2/s · inference p50 1.5" in shown(
        "telemetry", telemetry
    )
    assert "nothing found" in shown("predictions", [])
    assert "not a prediction" in shown("predictions", "text")


SAMPLE = {
    "source-ref": "s3://samples/entropy/a.jpg",
    "config-id": "Entropy",
    "metadata": {"core": "W9", "frame": "4"},
}


def test_samples_of_the_core_are_shown_and_saved(
    commands: Commands, cloud: LocalCloud, speaking: Callable[..., None], tmp_path: Path
) -> None:
    speaking("W9")
    speaking(payload=SAMPLE, topic=FEEDBACK_PREDICTION_TOPIC)
    other = {**SAMPLE, "metadata": {"core": "Other"}}
    speaking(payload=other, topic=FEEDBACK_PREDICTION_TOPIC)
    saved = tmp_path / "saved.jsonl"
    arguments = ["watch", "W9", "--count", "5", "--seconds", "20"]
    result = commands.result(*arguments, "--save", str(saved))
    assert "W9           sample kept by Entropy: frame 4, s3://samples/entropy/a.jpg" in (
        result.stdout
    )
    assert "Other" not in result.stdout
    assert saved_messages(saved) == {SAMPLE["source-ref"]: SAMPLE}
    assert "sample kept" not in commands.result(*arguments, "--no-samples").stdout


@pytest.mark.parametrize("payload", [b"[]", b"\xff", b'{"metadata": 1}', b'{"source-ref": 5}'])
def test_any_message_about_a_sample_is_one_line(payload: bytes) -> None:
    message = Message.parse(FEEDBACK_PREDICTION_TOPIC, payload, datetime.now(UTC))
    assert message is not None
    assert "not about a sample" in Columns().line(message, None)


def test_rate_is_of_the_last_half_minute() -> None:
    message = Message.parse("mli/predictions/A", b"[]", datetime.now(UTC))
    assert message is not None
    tally = Tally()
    assert tally.add(message, 0.0) is None
    assert tally.add(message, 2.0) == 0.5
    for second in range(100, 150):
        rate = tally.add(message, float(second))
    assert rate == pytest.approx(1.0)
