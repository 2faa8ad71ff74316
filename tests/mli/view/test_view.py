"""``view`` against a cloud: messages from its broker, pictures from its S3, strategies deployed."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from wsproto import ConnectionType, WSConnection
from wsproto.events import Request, TextMessage

from inference.feedback.configuration import default_configuration
from local_core.cloud import LocalCloud
from mli.errors import MliError
from mli.view.reasons import deployed_configurations, reason
from tests.mli.support import Commands, DeployedCore

CAPTURED = "2026-11-22T16:33:24.223"
ENVELOPE = {
    "timestamp": f"{CAPTURED}Z",
    "frame": {"id": 4, "source": "coffee.jpg", "width": 600, "height": 400},
    "latencyMs": {"inference": 31.0},
    "predictions": [{"label": "cup", "score": 0.96, "box": [0.2, 0.1, 0.6, 0.6]}],
}


class Page:
    """A browser's part: the cookie, the live state, pictures."""

    def __init__(self, address: str) -> None:
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/\?token=\S+)", address)
        assert found is not None, address
        self.port, self._path = int(found[1]), found[2]
        headers, _ = self.get(self._path, {})
        self.cookie = {"Cookie": headers["set-cookie"].partition(";")[0]}

    def get(self, path: str, headers: dict[str, str]) -> tuple[dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return dict(answer.getheaders()), answer.read()

    def state(self) -> dict[str, Any]:
        host = f"127.0.0.1:{self.port}"
        peer = WSConnection(ConnectionType.CLIENT)
        headers = [(b"Origin", f"http://{host}".encode())]
        headers += [(name.encode(), value.encode()) for name, value in self.cookie.items()]
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as opened:
            opened.sendall(peer.send(Request(host=host, target="/live", extra_headers=headers)))
            text = ""
            while True:
                peer.receive_data(opened.recv(65536))
                for event in peer.events():
                    if isinstance(event, TextMessage):
                        text += event.data
                        if event.message_finished:
                            state: dict[str, Any] = json.loads(text)
                            return state

    def until(self, is_there: Callable[[dict[str, Any]], Any], again: Callable[[], None]) -> Any:
        deadline = time.monotonic() + 60
        while not is_there(state := self.state()):
            assert time.monotonic() < deadline, state
            again()
            time.sleep(0.2)
        return state


@contextmanager
def viewing(*arguments: str) -> Iterator[Page]:
    command = [sys.executable, "-m", "mli", "view", *arguments]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        assert running.stdout is not None
        yield Page(running.stdout.readline().removeprefix("open ").strip())
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
    finally:
        running.kill()
        running.communicate()


def sample_of(core: str, uri: str) -> dict[str, Any]:
    metadata = {"core": core, "frame": "4", "captured-at": f"{CAPTURED}+00:00"}
    return {
        "source-ref": uri,
        "model-prediction": [0.41],
        "config-id": "LC50",
        "metadata": metadata,
    }


def test_boxes_pictures_and_reasons_come_with_credentials(
    commands: Commands, cloud: LocalCloud, photographs: Path
) -> None:
    s3, data = cloud.client("s3"), cloud.client("iot-data")
    s3.create_bucket(Bucket="viewed")
    s3.upload_file(str(photographs / "coffee.jpg"), "viewed", "a/4.jpg")

    def publish() -> None:
        data.publish(topic="mli/predictions/V1", qos=1, payload=json.dumps(ENVELOPE))
        for core in ("V1", "Other"):
            message = json.dumps(sample_of(core, "s3://viewed/a/4.jpg"))
            data.publish(topic="feedback/message/prediction", qos=1, payload=message)

    with viewing("V1") as page:
        state = page.until(
            lambda s: s["core"] and any(one["marks"] for one in s["core"]["samples"]), publish
        )
        [sample] = state["core"]["samples"]
        assert [core["name"] for core in state["cores"]] == ["V1"]
        assert sample["marks"][0]["box"] == ENVELOPE["predictions"][0]["box"]  # type: ignore[index]
        assert sample["reasons"] == ["LC50"], "this core has no deployment to look it up in"
        headers, content = page.get(f"/pictures/{sample['id']}", page.cookie)
        assert headers["content-type"] == "image/jpeg"
        with Image.open(io.BytesIO(content)) as picture:
            assert picture.size == (600, 400)


def test_samples_come_with_a_certificate_and_without_pictures(
    commands: Commands, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands.run("certificate", "screen", "--watch")
    data = cloud.client("iot-data")
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    def publish() -> None:
        message = json.dumps(sample_of("V2", "s3://viewed/a/4.jpg"))
        data.publish(topic="feedback/message/prediction", qos=1, payload=message)

    where = ["--certificate", "certs/screen", "--endpoint", f"127.0.0.1:{cloud.mqtt_port}"]
    with viewing(*where) as page:
        state = page.until(lambda s: s["core"], publish)
        assert state["pictures"] is False
        [sample] = state["core"]["samples"]
        _, content = page.get(f"/pictures/{sample['id']}", page.cookie)
        assert b"need AWS credentials" in content


def test_strategies_are_those_of_the_latest_deployment(
    cloud: LocalCloud, core: DeployedCore
) -> None:
    found = deployed_configurations(cloud.client, core.name)
    assert found == default_configuration(), "the defaults are left out of a deployment"
    own = default_configuration("bucket").to_json()
    own["LC50"]["sampling-strategy"] = {"strategy-name": "LEAST_CONFIDENCE", "threshold": 0.7}
    for value in (own, json.dumps(own)):
        update = {"merge": json.dumps({"coreName": core.name, "feedbackConfiguration": value})}
        cloud.client("greengrassv2").create_deployment(
            targetArn=core.thing_arn,
            components={
                core.component: {"componentVersion": "1.0.0", "configurationUpdate": update}
            },
        )
        found = deployed_configurations(cloud.client, core.name)
        assert reason(found, "LC50", [0.61]) == "LC50: best score 0.61 ≤ 0.7"


def test_a_core_that_is_not_there_is_named(cloud: LocalCloud) -> None:
    with pytest.raises(MliError, match="Nowhere"):
        deployed_configurations(cloud.client, "Nowhere")


def test_page_survives_a_restart_of_the_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalCloud() as own:
        for name, value in {**own.environment(), "MLI_ROOT_CA": str(own.ca_path)}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        Commands(tmp_path).run("certificate", "screen", "--watch")
        data = own.client("iot-data")

        def publish(core: str) -> None:
            data.publish(topic=f"mli/predictions/{core}", qos=1, payload=b"[]")

        where = ["--certificate", "certs/screen", "--endpoint", f"127.0.0.1:{own.mqtt_port}"]
        with viewing(*where) as page:
            page.until(lambda s: s["connected"] and s["core"], lambda: publish("A"))
            own.stop_part("mqtt")
            state = page.until(lambda s: not s["connected"], lambda: None)
            assert re.search("the connection broke|no connection to", state["detail"])
            assert state["core"]["name"] == "A", "what arrived stays"
            own.start_part("mqtt")
            page.until(lambda s: len(s["cores"]) == 2, lambda: publish("B"))


@pytest.mark.parametrize("service", ["S3", "CLOUDFORMATION"])
def test_an_aws_that_does_not_answer_holds_nothing_up(
    commands: Commands, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    """Messages arrive, and Ctrl-C ends the command, which ``viewing`` checks."""
    data = cloud.client("iot-data")

    def publish() -> None:
        message = json.dumps(sample_of("V3", "s3://viewed/a/4.jpg"))
        data.publish(topic="feedback/message/prediction", qos=1, payload=message)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", where)
        with viewing("V3") as page:
            state = page.until(lambda s: s["core"], publish)
            [sample] = state["core"]["samples"]
            with socket.create_connection(("127.0.0.1", page.port)) as asking:
                lines = [f"GET /pictures/{sample['id']} HTTP/1.1", f"Host: 127.0.0.1:{page.port}"]
                lines += [f"{name}: {value}" for name, value in page.cookie.items()]
                asking.sendall("\r\n".join([*lines, "", ""]).encode())
                silent.settimeout(20)
                kept, _ = silent.accept()  # the command waits for an answer
                page.state()
    kept.close()
