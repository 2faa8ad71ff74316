"""No context, whatever it is, leads to a traceback or to an incomplete template."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference import schema
from stacks.context.keys import CONTEXT_FIELDS
from stacks.context.report import format_faults
from stacks.generations import read_settings
from tests.stacks.configurations import REQUEST
from tests.stacks.synthesis import CERTIFICATE_ID, templates_of

KEYS = [field.key for field in CONTEXT_FIELDS]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=10), children, max_size=3)
    ),
    max_leaves=6,
)
TRICKY = st.sampled_from(
    [
        *("", "\0", "\n", "~nobody-here/x", "/", ".", "..", "a" * 5_000, "\ud800"),
        *("${AWS::Region}", "${Token[TOKEN.1]}"),
        *("{", "{}", "[]", "null", "true", "1e999", "nan", "{{resolve:ssm:a}}", "-c", "$(id)"),
        *(" ", "٣", "s3://", "https://[", "arn:aws:iot", "0.0.0.0/0", "/dev/null", "/etc/shadow"),
    ]
)
GOOD: dict[str, st.SearchStrategy[object]] = {
    "coreName": st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}", fullmatch=True),
    "certificateId": st.just(CERTIFICATE_ID),
    "certificateSigningRequest": st.just(str(REQUEST)),
    "modelS3Uri": st.sampled_from(["s3://b-1/m.zip", "https://b.s3.amazonaws.com/a/m.tar.gz"]),
    "modelProfile": st.sampled_from(["gluoncv-ssd-voc", "sagemaker-image-classification"]),
    "greengrassVersion": st.sampled_from([1, "1", 2, "2"]),
    "imageSource": st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=60),
    "feedback": st.sampled_from([True, "false"]),
    "simulator": st.sampled_from(["true", False]),
}


def context_with(changes: dict[str, object]) -> dict[str, object]:
    base = {"coreName": "Demo", "certificateId": CERTIFICATE_ID, "modelS3Uri": "s3://b-1/m.zip"}
    return {**base, **changes}


def changes() -> st.SearchStrategy[dict[str, object]]:
    def of_key(key: str) -> st.SearchStrategy[tuple[str, object]]:
        return st.tuples(st.just(key), st.one_of(GOOD.get(key, JSON), GOOD.get(key, TRICKY), JSON))

    known = st.sampled_from(KEYS).flatmap(of_key)
    unknown = st.tuples(st.text(min_size=1, max_size=12), JSON)
    return st.lists(st.one_of(known, known, known, unknown), max_size=4).map(dict)


@settings(max_examples=400)
@given(changes())
@example(dict.fromkeys(KEYS))
@example(dict.fromkeys(KEYS, "\ud800"))
@example({"imageSource": "!\ud7fc"})
@example({"imageSource": "rtsp:/a\ud7fc"})
@example({"modelProfile": "a" * 300 + ".json"})
@example({"modelPath": "a" * 5_000})
@example({"modelPath": "~nobody-here"})
@example({"feedbackConfiguration": "[" * 100_000})
@example({"feedbackConfiguration": "{" + '"a":{' * 50_000})
@example({"classes": "[" * 100_000})
@example({"topK": 10**400})
@example({"topK": "9" * 5_000})
def test_any_context_gives_settings_or_a_report(values: dict[str, object]) -> None:
    try:
        read_settings(context_with(values))
    except schema.ConfigurationError as error:
        lines = format_faults(error).split("\n")
        assert len(lines) == len(error.faults) + 1
        assert all(line.isprintable() for line in lines)


@settings(max_examples=25)
@given(st.fixed_dictionaries({}, optional=GOOD))
def test_any_settings_give_whole_templates(values: dict[str, object]) -> None:
    given_context = context_with(values)
    if "certificateSigningRequest" in values:
        del given_context["certificateId"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            templates = templates_of(Path(folder) / "cdk.out", given_context)
        except schema.ConfigurationError:
            return
    for template in templates.values():
        assert template["Resources"]
        assert template["Outputs"]
        assert "${Token" not in json.dumps(template)


def test_deep_json_is_no_traceback() -> None:
    with pytest.raises(schema.ConfigurationError):
        read_settings(context_with({"feedbackConfiguration": '{"a":' * 100_000}))
