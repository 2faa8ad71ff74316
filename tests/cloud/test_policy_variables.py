"""Variables in statements, as the IAM user guide describes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local_core.cloud.iam.decisions import Decision, DecisionLog, read_decisions
from local_core.cloud.iam.variables import UnresolvedVariableError, expanded, has_variables

CONTEXT: dict[str, Any] = {
    "credentials-iot:ThingName": "Demo_Core",
    "aws:TagKeys": ["a", "b"],
    "odd": "a*",
}


def test_value_is_put_in_place_of_each_variable() -> None:
    text = "arn:aws:s3:::samples/${credentials-iot:ThingName}/${ credentials-iot:ThingName }/*"
    assert expanded(text, CONTEXT.get) == "arn:aws:s3:::samples/Demo_Core/Demo_Core/*"


def test_default_stands_for_a_missing_value() -> None:
    assert expanded("${aws:username, 'nobody'}", CONTEXT.get) == "nobody"
    assert expanded("${credentials-iot:ThingName, 'nobody'}", CONTEXT.get) == "Demo_Core"


def test_dollar_stands_for_itself() -> None:
    assert expanded("a${$}{b}", CONTEXT.get) == "a${b}"


@pytest.mark.parametrize("key", ["aws:username", "aws:TagKeys", "odd", "*", "?"])
def test_what_has_no_single_plain_value_is_unresolved(key: str) -> None:
    with pytest.raises(
        UnresolvedVariableError, match=f"^{key.replace('*', '.').replace('?', '.')}$"
    ):
        expanded("${" + key + "}", CONTEXT.get)


def test_variables_are_found_in_conditions() -> None:
    condition = {"StringLike": {"s3:prefix": ["a", "${credentials-iot:ThingName}/*"]}}
    assert has_variables([], condition)
    assert not has_variables(["arn:aws:s3:::*"], {"Bool": {"aws:SecureTransport": "true"}}, None)
    assert expanded(condition, CONTEXT.get) == {"StringLike": {"s3:prefix": ["a", "Demo_Core/*"]}}


def test_log_is_new_with_each_cloud(tmp_path: Path) -> None:
    file = tmp_path / "decisions.jsonl"
    for action in ("s3:GetObject", "s3:PutObject"):
        decision = Decision("role", action, "*", "allow", "policy[0]")
        DecisionLog(file).write(decision)
    assert list(read_decisions(file)) == [decision]
