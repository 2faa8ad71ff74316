from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local_core.nucleus.configuration import deployed
from local_core.nucleus.layout import CoreLayout
from local_core.nucleus.recipe import RecipeError
from local_core.nucleus.variables import Variables

DEFAULTS: dict[str, Any] = {"rate": 5, "nested": {"a": 1, "b": 2}, "list": [1, 2]}


def test_fresh_core_has_the_defaults() -> None:
    assert deployed(DEFAULTS) == DEFAULTS


def test_merge_goes_into_objects_and_replaces_the_rest() -> None:
    merged = deployed(DEFAULTS, merge={"nested": {"b": 3, "c": 4}, "list": [9], "new": None})
    assert merged == {
        "rate": 5,
        "nested": {"a": 1, "b": 3, "c": 4},
        "list": [9],
        "new": None,
    }


def test_defaults_fill_gaps_but_do_not_overwrite_what_the_core_has() -> None:
    current = {"rate": 1, "nested": {"a": 7}, "own": True}
    assert deployed(DEFAULTS, current=current) == {
        "rate": 1,
        "nested": {"a": 7, "b": 2},
        "list": [1, 2],
        "own": True,
    }


def test_reset_of_everything_leaves_the_defaults_and_comes_before_the_merge() -> None:
    configuration = deployed(
        DEFAULTS, current={"rate": 1, "own": True}, reset=[""], merge={"rate": 8}
    )
    assert configuration == {**DEFAULTS, "rate": 8}


def test_reset_of_one_key_restores_its_default_or_removes_it() -> None:
    current = {"rate": 1, "nested": {"a": 7, "own": 8}, "a/b": 3}
    configuration = deployed(DEFAULTS, current=current, reset=["/nested/a", "/nested/own", "/a~1b"])
    assert configuration == {**DEFAULTS, "rate": 1}


def test_reset_of_what_is_not_there_does_nothing() -> None:
    assert deployed(DEFAULTS, reset=["/nope/deeper"]) == DEFAULTS


def test_inputs_are_left_as_they_were() -> None:
    defaults = {"nested": {"a": 1}}
    deployed(defaults, reset=[""], merge={"nested": {"a": 2}})["nested"]["a"] = 3
    assert defaults == {"nested": {"a": 1}}


def test_reset_of_something_else_than_a_pointer_is_an_error() -> None:
    with pytest.raises(ValueError, match="'rate' is not a JSON pointer"):
        deployed(DEFAULTS, reset=["rate"])


@pytest.fixture
def variables() -> Variables:
    return Variables(
        layout=CoreLayout(Path("/gg")),
        thing_name="thing-1",
        component="com.A",
        version="1.2.3",
        configuration={"rate": 5, "nested": {"text": "x y"}, "a/b": 1},
    )


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{artifacts:path}/m.zip", "/gg/packages/artifacts/com.A/1.2.3/m.zip"),
        ("{artifacts:decompressedPath}/m", "/gg/packages/artifacts-unarchived/com.A/1.2.3/m"),
        ("--work {work:path}", "--work /gg/work/com.A"),
        ("{kernel:rootPath}{iot:thingName}", "/ggthing-1"),
        ("{configuration:/rate} {configuration:/nested/text}", "5 x y"),
        ("{configuration:/nested}", '{"text": "x y"}'),
        ("{configuration:/a~1b}", "1"),
        ("no variable", "no variable"),
    ],
)
def test_recipe_variables(variables: Variables, text: str, result: str) -> None:
    assert variables.substitute(text) == result


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a {work:paht} b", "{work:paht}"),
        ("echo ${HOME}", "{HOME}"),
        ("{ echo; }", "{ echo; }"),
        ("{configuration:/nope}", "{configuration:/nope}"),
        ("{configuration:rate}", "{configuration:rate}"),
        ("{other:artifacts:path}", "{other:artifacts:path}"),
    ],
)
def test_unknown_variable_is_an_error_that_names_it(
    variables: Variables, text: str, named: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        variables.substitute(text)
    assert named in str(caught.value)
