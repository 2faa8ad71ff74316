"""Every rule of a core's configuration, and that all faults are reported at once."""

from __future__ import annotations

import dataclasses
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.schema import (
    ConfigurationError,
    Field,
    attributes,
    boolean,
    choice,
    integer,
    number,
    shown,
    words,
    words_text,
    write_fields,
)
from inference.settings import INFERENCE_FIELDS, SETTINGS_FIELDS, InferenceSettings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def test_defaults_are_those_of_the_documentation() -> None:
    settings = InferenceSettings.from_configuration({"coreName": "Toradex2"})
    assert settings == InferenceSettings(core_name="Toradex2")
    assert settings.inference_interval == 5.0
    assert settings.message_format == "list"


def test_fields_and_attributes_agree_one_to_one_in_name_order_and_default() -> None:
    declared = [(field.attribute, field.default) for field in SETTINGS_FIELDS]
    typed = [(one.name, one.default) for one in dataclasses.fields(InferenceSettings)]
    assert declared[0][0] == typed[0][0] == "core_name"
    assert declared[1:] == typed[1:]
    assert len({field.key for field in SETTINGS_FIELDS}) == len(SETTINGS_FIELDS)


@pytest.mark.parametrize(
    "values",
    [
        {"imageSouce": "rtsp://admin:secret@192.168.1.20/1"},
        {"cameras": ["camera:0", "rtsp://admin:secret@192.168.1.20/1"]},
        {"cameras": "x" * 60 + " rtsp://admin:secret@192.168.1.20/1"},
        {"classes": ["rtsp://admin:secret@192.168.1.20/1", 3]},
        {"modelOverride": "http://192.168.1.20/model.zip?token=secret"},
    ],
)
def test_a_password_under_a_wrong_key_is_not_repeated(values: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        InferenceSettings.from_configuration({"coreName": "A", **values})
    assert next(iter(values)) in str(caught.value)
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize("field", SETTINGS_FIELDS, ids=lambda field: str(field.key))
def test_every_example_is_valid_and_is_read_back_as_it_was_written(field: Field[object]) -> None:
    value = field.parse(field.example)
    assert field.parse(json.loads(json.dumps(field.write(value)))) == value


def test_fields_of_one_attribute_are_alternatives() -> None:
    url = Field("url", str, None, "https://a", attribute="source")
    path = Field("filePath", str, None, "a", attribute="source")
    for parsed in ({"url": "u", "filePath": None}, {"url": None, "filePath": "u"}):
        assert attributes((url, path), parsed) == {"source": "u"}


def test_attribute_is_the_key_in_snake_case_and_none_is_not_written() -> None:
    fields = (Field("topK", integer(1, 9), None, "3"), Field("classes", words, (), "a", write=list))
    assert attributes(fields, {"topK": None, "classes": ("a",)}) == {
        "top_k": None,
        "classes": ("a",),
    }
    settings = InferenceSettings(core_name="c", classes=("a",))
    assert write_fields(fields, settings) == {"classes": ["a"]}


def test_settings_survive_the_way_to_the_device_and_back() -> None:
    settings = InferenceSettings(
        core_name="a-b_9",
        image_source="/photos/*.jpg",
        inference_interval=0.25,
        confidence_threshold=0.0,
        top_k=3,
        classes=("n03983396 pop bottle, soda bottle", "cat"),
        accelerator="gpu",
        message_format="envelope",
    )
    over_ipc = json.loads(json.dumps(settings.to_configuration()))
    assert InferenceSettings.from_configuration(over_ipc) == settings


def test_numbers_may_come_back_as_floats_or_strings() -> None:
    values = {"coreName": "c", "topK": 5.0, "inferenceInterval": "2"}
    settings = InferenceSettings.from_configuration(values)
    assert (settings.top_k, settings.inference_interval) == (5, 2.0)


def test_access_control_is_not_ours_to_judge() -> None:
    assert InferenceSettings.from_configuration({"coreName": "c", "accessControl": {"x": 1}})


@pytest.mark.parametrize("values", [{"modelOverride": "/opt/\ud800"}, {"classes": ["cat\ud800"]}])
def test_half_a_character_is_refused_since_nothing_can_write_it(values: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="has half a character"):
        InferenceSettings.from_configuration({"coreName": "Demo", **values})


def test_all_faults_are_reported_at_once_with_the_nearest_key() -> None:
    values = {"coreName": "bad name!", "confidenceThreshold": 7, "tpoK": 3, "accelerator": "GPU"}
    with pytest.raises(ConfigurationError) as caught:
        InferenceSettings.from_configuration(values)
    told = {fault.key: str(fault) for fault in caught.value.faults}
    assert told.keys() == values.keys()
    assert "did you mean topK?" in told["tpoK"]
    assert told["confidenceThreshold"] == (
        "confidenceThreshold=7: must be a number from 0 to 1, for example 0.5"
    )
    assert "\n" not in str(caught.value)


def test_a_missing_core_name_is_a_fault() -> None:
    with pytest.raises(ConfigurationError, match="coreName=None: is required"):
        InferenceSettings.from_configuration({})


@given(st.dictionaries(st.sampled_from([f.key for f in INFERENCE_FIELDS]), JSON))
def test_no_value_whatever_gives_anything_but_settings_or_faults(values: dict[str, object]) -> None:
    try:
        settings = InferenceSettings.from_configuration({"coreName": "c", **values})
    except ConfigurationError as error:
        assert all(fault.key in values for fault in error.faults)
    else:
        assert InferenceSettings.from_configuration(settings.to_configuration()) == settings


@pytest.mark.parametrize("bad", [True, "x", "", None, [], math.nan, math.inf, "nan", -0.1, 1.1])
def test_number_refuses(bad: object) -> None:
    with pytest.raises(ValueError, match="must be a number from 0 to 1"):
        number(0, 1)(bad)


@pytest.mark.parametrize("bad", [0.5, "1.5", True, 0, 11, "ten"])
def test_integer_refuses(bad: object) -> None:
    with pytest.raises(ValueError, match="must be a whole number from 1 to 10"):
        integer(1, 10)(bad)


def test_flags_are_words_or_booleans_and_nothing_else() -> None:
    assert [boolean(v) for v in ("true", "False", True, False)] == [True, False, True, False]
    for bad in ("yes", 1, "", "0"):
        with pytest.raises(ValueError, match="must be true or false"):
            boolean(bad)


def test_choice_suggests_the_nearest_word() -> None:
    with pytest.raises(ValueError, match="did you mean envelope"):
        choice("list", "envelope")("envelop")


def test_words_are_commas_or_json() -> None:
    assert words("cat, dog") == ("cat", "dog")
    assert words('["pop bottle, soda bottle"]') == ("pop bottle, soda bottle",)
    assert words(["cat"]) == ("cat",)
    for bad in ("cat,,dog", '["cat"', "", [1], 5):
        with pytest.raises(ValueError, match="separated by commas"):
            words(bad)


@given(st.lists(st.text(' ab,[]"\\', min_size=1, max_size=4), min_size=1, max_size=3))
def test_words_are_read_back_as_they_were_written(parts: list[str]) -> None:
    assert words(words_text(parts)) == tuple(parts)


def test_words_without_a_comma_need_no_json() -> None:
    assert words_text(["cat", "traffic light"]) == "cat,traffic light"


def test_a_long_value_is_shown_short() -> None:
    assert len(shown("x" * 10_000)) <= 80


def digest(**values: object) -> str:
    return InferenceSettings.from_configuration({"coreName": "c", **values}).digest()


def test_equal_settings_have_one_digest_however_they_are_written() -> None:
    assert re.fullmatch("[0-9a-f]{12}", digest())
    assert digest() == digest(topK=None, inferenceInterval=5, accelerator="cpu", accessControl={})
    assert digest(topK=5, inferenceInterval=2.0) == digest(topK="5.0", inferenceInterval=2)
    assert digest(classes="cat,dog") == digest(classes=["cat", "dog"])
    assert digest(coreName="other") == digest()

    def feedback(threshold: float) -> object:
        strategy = {"strategy-name": "ENTROPY", "threshold": threshold}
        return {"one": {"content-type": "image/jpeg", "sampling-strategy": strategy}}

    assert digest(feedbackConfiguration=feedback(1)) == digest(
        feedbackConfiguration=json.dumps(feedback(1.0))
    )
    different = [digest(), digest(topK=4), digest(feedbackConfiguration=feedback(1))]
    assert len({*different, digest(imageSource="rtsp://u:secret@camera/")}) == 4


@pytest.mark.parametrize("topic", ["a//b", "a/", "/a", "a/+/b", "t" * 129, ""])
def test_local_topic_has_levels_between_single_slashes(topic: str) -> None:
    with pytest.raises(ConfigurationError, match="in levels between single slashes"):
        InferenceSettings.from_configuration({"coreName": "test", "localTopic": topic})
    for valid in ("a", "line1/seen", "a/b/c.d:e-f_g", "t" * 128):
        InferenceSettings.from_configuration({"coreName": "test", "localTopic": valid})
