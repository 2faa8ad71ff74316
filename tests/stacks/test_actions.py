"""Actions on predictions: what may stand in the list, and the rules that it becomes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Annotations, Match

from inference import schema
from inference.model.profiles.profile import PROFILES_FOLDER
from stacks.context.actions import LabelAction, parse_actions
from stacks.generations import GENERATIONS
from stacks.names import StackNames, action_rule_name, metrics_rule_name
from tests.stacks.configurations import ACTIONS
from tests.stacks.configurations import template as configuration
from tests.stacks.synthesis import all_of, named, new_app, resolved
from tests.stacks.test_context_keys import FLEET, rule_of, settings

TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
ENVELOPE = {"messageFormat": "envelope"}
UNLABELLED = "unlabelled.json"


def rules() -> dict[str, Any]:
    """Each rule of the watched core by its name without stack and digest."""
    found = all_of(configuration("v2-watched"), "AWS::IoT::TopicRule")
    return {
        rule["RuleName"].removeprefix("DlrInference_Demo")[1:-7]: resolved(rule["TopicRulePayload"])
        for rule in found
    }


def faults_of(value: object) -> list[tuple[str, str]]:
    with pytest.raises(schema.ConfigurationError) as caught:
        parse_actions(value)
    return [(fault.key, fault.rule) for fault in caught.value.faults]


def one(**changes: object) -> list[dict[str, object]]:
    """A list of one action; None leaves a key out."""
    whole = {"name": "seen", "label": "cup", "target": TOPIC, **changes}
    return [{key: value for key, value in whole.items() if value is not None}]


def test_label_and_score_are_what_the_statement_asks_for() -> None:
    sql = rules()["person"]["Sql"]
    condition = "FROM predictions WHERE label = 'person' AND score >= 0.8)"
    assert sql.count(condition) == 2
    assert sql.endswith(
        "FROM 'mli/predictions/Demo' WHERE get((SELECT score " + condition + (", 0).score >= 0.8")
    )


@pytest.mark.parametrize(
    ("label", "more", "warning"),
    [
        ("persn", {}, "The action seen waits for persn, .*; did you mean person\\?"),
        (["person", "lorry"], {}, "The action seen waits for lorry, .* publishes \\[ack"),
        ("person", {"classes": "dog,cat"}, "The action seen waits for person, .* publishes \\[ack"),
        ("person", {}, None),
        (None, {}, None),
        ("lorry", {"modelProfile": UNLABELLED}, None),
    ],
)
def test_labels_that_no_prediction_can_have_are_named(
    label: object, more: dict[str, str], warning: str | None, tmp_path: Path
) -> None:
    model = {"modelProfile": "gluoncv-ssd-voc", **more}
    if model["modelProfile"] == UNLABELLED:
        described = json.loads((PROFILES_FOLDER / "gluoncv-ssd-voc.json").read_text())
        (tmp_path / UNLABELLED).write_text(json.dumps({**described, "labels": None}))
        model["modelProfile"] = str(tmp_path / UNLABELLED)
    core = settings(tmp_path, **ENVELOPE, **model, actions=one(label=label))
    stack = GENERATIONS[2].stack(new_app(tmp_path / "cdk.out"), settings=core)
    found = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    assert len(found) == (warning is not None)
    if warning:
        assert re.search(warning, str(found[0].entry.data))


def test_quote_in_a_label_never_ends_its_text() -> None:
    sql = rules()["kits"]["Sql"]
    assert "(label = ('n02966687 carpenter' + chr(39) + 's kit, tool kit') OR" in sql
    assert sql.count("'") % 2 == 0


def test_each_role_may_do_one_thing_to_one_target() -> None:
    found = configuration("v2-watched")
    for name, allowed in {
        "person": ("sns:Publish", ACTIONS[0]["target"]),
        "kits": ("sqs:SendMessage", ACTIONS[1]["target"]),
        "kept": ("firehose:PutRecord", ACTIONS[3]["target"]),
    }.items():
        role = named(found, f"Actions{name}Role")
        assert role is not None
        [policy] = role["Properties"]["Policies"]
        [statement] = policy["PolicyDocument"]["Statement"]
        assert (statement["Action"], statement["Resource"]) == allowed
        trust = json.dumps(role["Properties"]["AssumeRolePolicyDocument"])
        assert f"rule/DlrInference_Demo_{name}_" in trust


def test_function_allows_the_rule_and_no_other() -> None:
    found = configuration("v2-watched")
    permission = named(found, "ActionsanylabelPermission")
    assert permission is not None
    properties = resolved(permission["Properties"])
    assert properties["Principal"] == "iot.amazonaws.com"
    assert properties["SourceArn"].startswith(
        "arn:aws:iot:ap-southeast-2:123456789012:rule/DlrInference_Demo_any_label_"
    )
    assert rules()["any_label"]["Actions"] == [{"Lambda": {"FunctionArn": ACTIONS[2]["target"]}}]


def test_whatever_fails_is_logged() -> None:
    for name in ("person", "kits", "any_label", "kept"):
        assert rules()[name]["ErrorAction"].keys() == {"CloudwatchLogs"}


def test_names_fit_into_the_limit_of_a_rule() -> None:
    own = StackNames.of_fleet("a" * 63 + "_")
    assert len(action_rule_name(own.stack, "n" * 30)) <= 128
    assert action_rule_name("DlrInference-a-b", "c") != action_rule_name("DlrInference-a", "b_c")
    assert action_rule_name(own.stack, "Metrics") != metrics_rule_name(own.stack)


def test_file_json_and_list_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "actions.json"
    file.write_text(json.dumps(one()))
    expected = parse_actions(one())
    for value in (str(file), json.dumps(one()), one()):
        assert settings(tmp_path, actions=value, **ENVELOPE).actions == expected
    assert isinstance(expected[0], LabelAction) and expected[0].minimum_score == 0


@pytest.mark.parametrize(
    ("value", "key", "rule"),
    [
        ("{", "actions", "is not JSON"),
        ('[{"name": "a", "name": "b"}]', "actions", "the key 'name' appears twice"),
        ([], "actions", "must be a list of 1 to 100 actions"),
        (one() * 101, "actions", "must be a list of 1 to 100 actions"),
        (["seen"], "actions.0", "must be an object"),
        (one(name="a-b"), "actions.0.name", "must be 1 to 30 letters"),
        (one(name="n" * 31), "actions.0.name", "must be 1 to 30 letters"),
        (one(name=None), "actions.0.name", "is required"),
        (one(label=""), "actions.0.label", "must be a label"),
        (one(label=[]), "actions.0.label", "must be a label"),
        (one(label="cup\n"), "actions.0.label", "must be a label"),
        (one(label="\ud800"), "actions.0.label", "has half a character"),
        (one(label=["cup", 7]), "actions.0.label", "must be a label"),
        (one(minScore=1.1), "actions.0.minScore", "must be a number from 0 to 1"),
        (one(threshold=0.5), "actions.0.threshold", "unknown key"),
        (one(target=None), "actions.0.target", "is required"),
        (one(target="alerts"), "actions.0.target", "must be the ARN of a topic"),
        (one(target="arn:aws:s3:::bucket"), "actions.0.target", "must be the ARN of a topic"),
        (one(target=TOPIC + ".fifo"), "actions.0.target", "must not be a FIFO"),
        (
            one(target="arn:aws:events:us-east-1:123456789012:event-bus/default"),
            "actions.0.target",
            "is an event bus, for which AWS IoT has no rule action: name a queue",
        ),
        ([*one(), *one(name="SEEN")], "actions", "is the name of two actions"),
    ],
)
def test_what_is_wrong_is_named(value: object, key: str, rule: str) -> None:
    [(found_key, found_rule)] = faults_of(value)
    assert found_key == key
    assert rule in found_rule


def test_all_faults_are_reported_together() -> None:
    assert [key for key, _ in faults_of([*one(name=""), *one(label=7, target="x")])] == [
        "actions.0.name",
        "actions.1.label",
        "actions.1.target",
    ]


def test_rules_read_keys_which_a_list_has_not(tmp_path: Path) -> None:
    assert "requires messageFormat=envelope" in rule_of(tmp_path, "actions", actions=one())


@pytest.mark.parametrize(
    ("target", "elsewhere"),
    [
        (TOPIC.replace("us-east-1", "eu-west-1"), "certificateId, 123456789012 and us-east-1"),
        (TOPIC.replace("123456789012", "0" * 12), "certificateId, 123456789012 and us-east-1"),
    ],
)
def test_target_is_in_the_account_and_region_of_the_stack(
    tmp_path: Path, target: str, elsewhere: str
) -> None:
    certificate = "arn:aws:iot:us-east-1:123456789012:cert/" + "0" * 64
    given = {"certificateId": certificate, **ENVELOPE}
    settings(tmp_path, actions=one(), **given)
    rule = rule_of(tmp_path, "actions.0.target", actions=one(target=target), **given)
    assert rule == f"must be in the account and Region of {elsewhere}"


def test_targets_agree_with_each_other(tmp_path: Path) -> None:
    other = one(name="other", target=TOPIC.replace("us-east-1", "eu-west-1"))
    rule = rule_of(tmp_path, "actions.1.target", actions=[*one(), *other], **ENVELOPE, **FLEET)
    assert rule == "must be in the account and Region of seen, 123456789012 and us-east-1"
