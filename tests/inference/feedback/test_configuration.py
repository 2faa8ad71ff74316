"""The connector's schema: what is read and refused, and that all faults are reported at once."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.feedback.configuration import (
    FeedbackConfiguration,
    FeedbackConfigurations,
    StrategyConfiguration,
    default_configuration,
)
from inference.schema import ConfigurationError

DOCUMENTED: dict[str, Any] = {
    "ConfigID1": {
        "s3-bucket-name": "my-aws-bucket-random-sampling",
        "content-type": "image/png",
        "file-ext": "png",
        "sampling-strategy": {"strategy-name": "RANDOM_SAMPLING", "rate": 0.5},
    },
    "ConfigID4": {
        "s3-bucket-name": "my-aws-bucket-entropy-sampling",
        "content-type": "image/png",
        "file-ext": "png",
        "sampling-strategy": {"strategy-name": "ENTROPY", "threshold": 2},
    },
    "ConfigID5": {
        "s3-bucket-name": "my-aws-bucket-no-sampling",
        "s3-prefix": "DeviceA",
        "content-type": "application/json",
    },
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
NUMBERS = st.integers() | st.floats() | st.text(max_size=4) | st.none()
STRATEGIES = st.fixed_dictionaries(
    {},
    optional={
        "strategy-name": st.sampled_from(["RANDOM_SAMPLING", "MARGIN", "ENTROPY", "margin"]) | JSON,
        "rate": NUMBERS,
        "threshold": NUMBERS,
        "treshold": NUMBERS,
    },
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "s3-bucket-name": st.from_regex(r"[a-z0-9.-]{2,5}") | JSON,
        "content-type": st.sampled_from(["image/jpeg", "image/jpeg,image/png"]) | JSON,
        "s3-prefix": st.text(alphabet="ab./*é", max_size=6) | JSON,
        "file-ext": st.text(alphabet="jp.,", max_size=4) | JSON,
        "sampling-strategy": STRATEGIES | JSON,
        "s3-prefixes": JSON,
    },
)
MAPS = st.dictionaries(st.text(alphabet="aB9-_", max_size=4), ENTRIES | JSON, max_size=3)


def parse_one(**changes: object) -> FeedbackConfiguration:
    """Parse one configuration, ``underscored_keys`` standing for hyphenated ones."""
    entry: dict[str, object] = {"s3-bucket-name": "a-bucket", "content-type": "image/jpeg"}
    for key, value in changes.items():
        entry[key.replace("_", "-").lower()] = value
    return FeedbackConfigurations.parse({"LC50": entry}).all[0]


def faults_of(value: object) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        FeedbackConfigurations.parse(value)
    assert "\n" not in str(caught.value)
    return {fault.key: str(fault) for fault in caught.value.faults}


def strategy_faults(**strategy: object) -> dict[str, str]:
    hyphenated = {key.replace("_", "-"): value for key, value in strategy.items()}
    entry = {"content-type": "image/jpeg", "sampling-strategy": hyphenated}
    prefix = "feedbackConfiguration.LC50.sampling-strategy."
    return {
        key.replace(prefix, "", 1): told.replace(prefix, "", 1)
        for key, told in faults_of({"LC50": entry}).items()
    }


@pytest.mark.parametrize("form", [DOCUMENTED, json.dumps(DOCUMENTED)])
def test_the_documented_example_is_read(form: object) -> None:
    first, fourth, fifth = FeedbackConfigurations.parse(form).all
    assert first.strategy == StrategyConfiguration("RANDOM_SAMPLING", 0.5)
    assert (first.bucket, first.content_type) == ("my-aws-bucket-random-sampling", "image/png")
    assert fourth.strategy == StrategyConfiguration("ENTROPY", 2.0)
    assert (fifth.prefix, fifth.file_ext, fifth.strategy) == ("DeviceA", "", None)


def test_what_is_written_is_read_back() -> None:
    parsed = FeedbackConfigurations.parse(DOCUMENTED)
    assert parsed.to_json() == DOCUMENTED
    assert FeedbackConfigurations.parse(json.dumps(parsed.to_json())) == parsed


def test_defaults_are_those_of_the_documentation() -> None:
    assert default_configuration("b-1").to_json() == {
        "RandomSamplingConfiguration": {
            "s3-bucket-name": "b-1",
            "s3-prefix": "random-sampling",
            "content-type": "image/jpeg",
            "file-ext": "jpg",
            "sampling-strategy": {"strategy-name": "RANDOM_SAMPLING", "rate": 0.5},
        },
        "LC50": {
            "s3-bucket-name": "b-1",
            "s3-prefix": "confidence-lower-than-50",
            "content-type": "image/jpeg",
            "file-ext": "jpg",
            "sampling-strategy": {"strategy-name": "LEAST_CONFIDENCE", "threshold": 0.5},
        },
        "Entropy": {
            "s3-bucket-name": "b-1",
            "s3-prefix": "entropy",
            "content-type": "image/jpeg",
            "file-ext": "jpg",
            "sampling-strategy": {"strategy-name": "ENTROPY", "threshold": 1.0},
        },
    }
    assert FeedbackConfigurations.parse(default_configuration().to_json()) == (
        default_configuration()
    )


def test_a_bucket_can_be_named_later_and_keeps_those_that_were_given() -> None:
    parsed = FeedbackConfigurations.parse(
        {"LC50": {"content-type": "image/jpeg"}, "ConfigID5": DOCUMENTED["ConfigID5"]}
    )
    with pytest.raises(ConfigurationError, match=r"LC50\.s3-bucket-name=None: is required"):
        parsed.require_buckets()
    named = parsed.with_bucket("${Token[TOKEN.42]}")
    named.require_buckets()
    assert [one.bucket for one in named.all] == ["${Token[TOKEN.42]}", "my-aws-bucket-no-sampling"]


def test_find_by_id() -> None:
    assert default_configuration().find("Entropy") == default_configuration().all[2]
    assert default_configuration().find("entropy") is None


def test_all_faults_are_reported_at_once_by_dotted_key() -> None:
    told = faults_of(
        {
            "a": {"content-type": "image/jpeg"},
            "LC50": {
                "s3-bucket-name": "Upper",
                "s3-prefx": "x",
                "sampling-strategy": {"strategy-name": "LEAST_CONFIDENCE", "threshold": 1.5},
            },
            "Other": 5,
        }
    )
    path = "feedbackConfiguration"
    assert told[f"{path}.LC50.s3-prefx"].endswith("unknown key; did you mean s3-prefix?")
    assert told[f"{path}.LC50.content-type"].endswith("is required, for example image/jpeg")
    assert told[f"{path}.LC50.sampling-strategy.threshold"] == (
        f"{path}.LC50.sampling-strategy.threshold=1.5: must be a number from 0 to 1, "
        "for example 0.5"
    )
    assert told.keys() == {
        path,
        f"{path}.LC50.s3-prefx",
        f"{path}.LC50.s3-bucket-name",
        f"{path}.LC50.content-type",
        f"{path}.LC50.sampling-strategy.threshold",
        f"{path}.Other",
    }


@pytest.mark.parametrize("bad", ["a", "-a", "a_b", "a" * 64, "a b", "é9", "ab\n"])
def test_id_must_match_the_connectors_pattern(bad: str) -> None:
    assert (
        "an id must be 2 to 63"
        in faults_of({bad: DOCUMENTED["ConfigID5"]})["feedbackConfiguration"]
    )


@pytest.mark.parametrize("good", ["12id", "MyConfig0", "config-a", "a" * 63])
def test_documented_ids_are_good(good: str) -> None:
    assert FeedbackConfigurations.parse({good: DOCUMENTED["ConfigID5"]}).find(good)


@pytest.mark.parametrize(
    ("key", "bad"),
    [
        *[("s3_bucket_name", bad) for bad in ("ab", "a" * 64, "Bucket", "a_b", "", 5)],
        *[("s3_prefix", bad) for bad in ("/a", "a/", "a//b", "../a", "a/.", "a*", "${a}", "é", 5)],
        ("s3_prefix", "a" * 513),
        *[("content_type", bad) for bad in ("", "jpeg", "image/jpeg,image/png", "a/b\n", 5)],
        *[("file_ext", bad) for bad in (".jpg", "png,jpg", "a/b", "a" * 17, 5)],
        *[("sampling_strategy", bad) for bad in ("MARGIN", True, 5)],
    ],
)
def test_value_that_breaks_its_rule_is_reported(key: str, bad: object) -> None:
    with pytest.raises(ConfigurationError, match=key.replace("_", "-")):
        parse_one(**{key: bad})


@pytest.mark.parametrize("good", ["a", "a/b.c/d_e", "door='x'(1)", "a" * 512])
def test_prefix_may_have_levels(good: str) -> None:
    assert parse_one(s3_prefix=good).prefix == good


@pytest.mark.parametrize("name", ["LEAST_CONFIDENCE", "MARGIN"])
@pytest.mark.parametrize("bad", [-0.01, 1.01, math.nan, math.inf, True, "0.5", []])
def test_threshold_is_a_probability(name: str, bad: object) -> None:
    told = strategy_faults(strategy_name=name, threshold=bad)
    assert "must be a number from 0 to 1" in told["threshold"]


BAD_ENTROPIES: list[object] = [-0.01, math.nan, math.inf, 10**400, "1"]


@pytest.mark.parametrize("bad", BAD_ENTROPIES)
def test_threshold_of_entropy_has_no_upper_end_but_is_finite(bad: object) -> None:
    told = strategy_faults(strategy_name="ENTROPY", threshold=bad)
    assert "must be a number of at least 0" in told["threshold"]
    good = {"strategy-name": "ENTROPY", "threshold": 1e9}
    assert parse_one(sampling_strategy=good).strategy == StrategyConfiguration("ENTROPY", 1e9)


def test_each_strategy_needs_its_own_number() -> None:
    told = strategy_faults(strategy_name="RANDOM_SAMPLING", threshold=0.5)
    assert "is required by RANDOM_SAMPLING" in told["rate"]
    assert "is not for RANDOM_SAMPLING, whose number is rate" in told["threshold"]
    assert "is required by MARGIN" in strategy_faults(strategy_name="MARGIN")["threshold"]
    assert (
        "is not for ENTROPY"
        in strategy_faults(strategy_name="ENTROPY", threshold=1, rate=0.5)["rate"]
    )


def test_strategy_names_are_exact_and_the_nearest_is_reported() -> None:
    told = strategy_faults(strategy_name="LEAST_CONFIDENT", threshold=0.5)
    assert "did you mean LEAST_CONFIDENCE?" in told["strategy-name"]
    assert "is required" in strategy_faults(threshold=0.5)["strategy-name"]


def test_misspelt_number_is_reported_with_the_nearest() -> None:
    told = strategy_faults(strategy_name="MARGIN", treshold=0.5)
    assert "did you mean threshold?" in told["treshold"]


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("{", "is not JSON"),
        ('{"LC50": {}, "LC50": {}}', "'LC50' appears twice"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "must be an object"),
        (None, "must be an object"),
        ({}, "at least one configuration"),
    ],
)
def test_what_is_no_map_is_refused(value: object, rule: str) -> None:
    assert rule in faults_of(value)["feedbackConfiguration"]


@given(JSON | MAPS | MAPS.map(json.dumps) | st.dictionaries(st.integers(), JSON, max_size=2))
def test_nothing_whatever_gives_anything_but_a_configuration_or_faults(value: object) -> None:
    try:
        parsed = FeedbackConfigurations.parse(value)
    except ConfigurationError as error:
        assert error.faults
        assert all(fault.key.startswith("feedbackConfiguration") for fault in error.faults)
    else:
        assert FeedbackConfigurations.parse(json.dumps(parsed.to_json())) == parsed


def test_configuration_that_is_no_object_says_what_it_has() -> None:
    told = faults_of({"strategy": "entropy"})
    assert "with content-type" in told["feedbackConfiguration.strategy"]
