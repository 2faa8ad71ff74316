"""Conditions of templates that compare joined texts, as the CDK's bootstrap stack has them."""

from __future__ import annotations

import pytest

from local_core.cloud.deployment.conditions import joined


@pytest.mark.parametrize(
    ("policies", "result"), [("", ""), ("arn:a", "arn:a"), ("arn:a, arn:b", "arn:aarn:b")]
)
def test_a_list_parameter_is_joined(policies: str, result: str) -> None:
    condition = {"Fn::Not": [{"Fn::Equals": ["", {"Fn::Join": ["", {"Ref": "Policies"}]}]}]}
    found = joined(condition, {"Policies": {"Value": policies}})
    assert found == {"Fn::Not": [{"Fn::Equals": ["", result]}]}


def test_texts_and_parameters_are_joined_and_other_values_are_left() -> None:
    given = {"Equals": [{"Fn::Join": ["-", ["a", {"Ref": "Stage"}]]}, {"Ref": "AWS::Region"}]}
    found = joined(given, {"Stage": {"Value": "test"}})
    assert found == {"Equals": ["a-test", {"Ref": "AWS::Region"}]}
    unknown = {"Fn::Join": ["-", [{"Fn::GetAtt": ["A", "B"]}]]}
    assert joined(unknown, {}) == unknown
