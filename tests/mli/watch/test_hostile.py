"""``watch`` and messages that no core of ours would publish."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local_core.output.progress import Progress, describe
from local_core.output.terminal import json_line, shown_line, shown_text
from mli.cli.output import Output
from mli.device.generations.core_state import Component, CoreState, Deployment
from mli.device.reports.status import describe as describe_status
from mli.device.stacks.core import CoreStack
from mli.watch.columns import Columns
from mli.watch.display import Message, Tally
from mli.watch.record import Record
from tests.mli.support import Commands

from .conftest import Publishing

NOW = datetime(2026, 11, 27, tzinfo=UTC)
ESCAPES = "\x1b]0;title\x07\x1b[2J\r\x9b1A\x7f\u202e\u2066\u200f\u2028\x00\nlast"
HUGE = 10**400


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


HOSTILE = {
    "not JSON": b"{no",
    "empty": b"",
    "not UTF-8": b"\xff\xfe\x9b2J",
    "UTF-16": '[{"label": "a"}]'.encode("utf-16"),
    "null": b"null",
    "a number": b"1",
    "a text": _json(ESCAPES),
    "a list of numbers": b"[1, 2, 3]",
    "200,000 brackets": b"[" * 200_000,
    "brackets that are closed": b"[" * 900 + b"]" * 900,
    "objects that are nested": b'{"predictions":' * 900 + b"1" + b"}" * 900,
    "a score of 5,000 digits": b'[{"label": "a", "score": ' + b"9" * 5_000 + b"}]",
    "a score out of float64": _json([{"label": "a", "score": HUGE, "box": [HUGE] * 4}]),
    "a score that is infinite": b'[{"label": "a", "score": 1e999}]',
    "a score that is not a number": b'[{"label": "a", "score": NaN}]',
    "a score that is an object": _json([{"label": "a", "score": {}}]),
    "a box that is null": _json([{"label": "a", "score": 0.5, "box": None}]),
    "a box of lists": _json([{"label": "a", "score": 0.5, "box": [[1], [2]]}]),
    "labels with escapes": _json([{"label": ESCAPES, "score": 0.5}]),
    "a lone surrogate": rb'[{"label": "\ud800", "score": 0.5}]',
    "a label that is a list": _json([{"label": [ESCAPES], "score": 0.5}]),
    "a key twice": b'{"predictions": [], "predictions": [1]}',
    "128 kB": _json([{"label": "a" * 131_000, "score": 0.5}]),
    "a source with escapes": _json({"frame": {"source": ESCAPES}, "predictions": []}),
    "memory out of float64": _json({"memoryBytes": HUGE}),
    "faults that are a number": _json({"health": {"faults": 7, "status": [ESCAPES]}}),
    "latencies with escapes": _json({"latencyMs": {"inference": {"p50": ESCAPES, "p95": HUGE}}}),
    "health that is a list": _json({"health": [], "frames": ESCAPES, "latencyMs": {"model": 1}}),
}

KEYS = [
    "predictions",
    "label",
    "prediction",
    "score",
    "confidence",
    "box",
    "frame",
    "source",
    "health",
    "status",
    "faults",
    "frames",
    "predicted",
    "perSecond",
    "latencyMs",
    "model",
    "p50",
    "p95",
    "memoryBytes",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(HUGE),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)
PAYLOADS = st.binary(max_size=200) | st.sampled_from(sorted(HOSTILE.values())) | JSON.map(_json)
TOPICS = st.sampled_from(["mli/predictions/", "mli/telemetry/"])


def _shown(topic: str, payload: bytes) -> str:
    message = Message.parse(topic, payload, NOW)
    assert message is not None
    tally = Tally()
    tally.add(message, 0.0)
    assert shown_text(tally.summary(1.0, 0)[1]).replace("\n", "").isprintable()
    return Columns().line(message, 0.5)


@given(TOPICS, st.text(max_size=400), PAYLOADS)
@example("mli/predictions/", ESCAPES, b"[]")
def test_any_message_is_one_short_printable_line(prefix: str, core: str, payload: bytes) -> None:
    shown = _shown(prefix + core, payload)
    assert shown.isprintable()
    assert len(shown) < 7_000


@pytest.mark.parametrize("kind", ["predictions", "telemetry"])
@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_hostile_message_is_shown_and_kept(kind: str, payload: bytes, tmp_path: Path) -> None:
    assert _shown(f"mli/{kind}/A", payload).isprintable()
    message = Message.parse(f"mli/{kind}/A", payload, NOW)
    assert message is not None
    with Record(tmp_path / "kept.jsonl") as record:
        record.add(message.to_json())
    (text,) = (tmp_path / "kept.jsonl").read_bytes().decode().splitlines()
    assert text.isprintable()
    saved = json.loads(text, parse_constant=pytest.fail)
    if "payloadBase64" in saved:
        assert base64.b64decode(saved["payloadBase64"]) == payload
    else:
        assert saved["payload"] in (payload.decode(), _loaded(payload))


def _loaded(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return payload


@given(PAYLOADS)
def test_local_run_describes_any_message_in_one_printable_line(payload: bytes) -> None:
    assert describe(payload).isprintable()


@given(JSON)
def test_line_of_json_reads_back_as_the_same_value(value: Any) -> None:
    text = json_line({"a": value, "b": ESCAPES})
    assert text.isprintable()
    assert json.dumps(json.loads(text)["a"]) == json.dumps(value)


def test_what_is_not_printable_is_escaped() -> None:
    assert shown_line("a\x1b[2J\u202eb\tc\n") == r"a\x1b[2J\u202eb c\n"
    assert shown_line("é日😀") == "é日😀"
    assert shown_line("a" * 400, 300) == "a" * 299 + "…"


def test_output_of_commands_has_no_escape_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        output = Output(as_json=as_json)
        output.say(ESCAPES)
        output.status(ESCAPES)
        output.result({"a": ESCAPES}, ESCAPES)
    Progress().say(ESCAPES)
    Progress().detail(ESCAPES)
    out, err = capsys.readouterr()
    assert (out + err).replace("\n", "").isprintable()


def test_status_shows_each_field_on_its_own_line() -> None:
    state = CoreState(
        "A",
        2,
        summary=ESCAPES,
        components=(Component(ESCAPES, "1", "BROKEN", f"{ESCAPES}\n  forged RUNNING"),),
        deployments=(Deployment("1", ESCAPES, "FAILED", ESCAPES, ""),),
    )
    text = describe_status(CoreStack("A", "eu-west-1", {}), state, {"c": ESCAPES})
    assert text.replace("\n", "").isprintable()
    assert "\n  forged" not in text


def test_watch_of_all_outlives_every_hostile_message(
    commands: Commands, publishing: Publishing
) -> None:
    sent = [(f"mli/{k}/A", p) for k in ("predictions", "telemetry") for p in HOSTILE.values()]
    publishing([*sent, ("mli/predictions/\x1b[2J\u202e", b"[]"), ("mli/predictions/Z", b"[]")])
    result = commands.result("watch", "--all", "--seconds", "5", "--save", "all.jsonl")
    assert " Z " in result.stdout
    assert result.output.replace("\n", "").isprintable()
    assert all(json.loads(text) for text in Path("all.jsonl").read_text().splitlines())
