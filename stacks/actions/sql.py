"""The statement of a rule for a label: which predictions it is about, and what it sends."""

from inference import names as device_names
from stacks.context.actions import LabelAction
from stacks.iot_rules import sql as rule_sql
from stacks.names import StackNames

_FIELDS = (
    "topic(3) AS core",
    # The cloud's clock: that of a device may be wrong, and a message may have waited there.
    "timestamp() AS received",
    "timestamp",
    "frame",
    "model",
    "configuration",
)


def statement(action: LabelAction, own: StackNames) -> str:
    """Return the statement that finds an action's predictions in an envelope.

    A nested query reads the array of predictions, by its documented form: the first score that it
    finds is compared again, because no value at all is neither true nor false, and does not fire.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-nested-queries.html
    """
    condition = _condition(action)
    fields = (
        *_FIELDS,
        f"'{action.name}' AS action",
        f"(SELECT * FROM predictions WHERE {condition}) AS matches",
    )
    source = rule_sql.source(device_names.prediction_topic, own)
    joined = "AND" if " WHERE " in source else "WHERE"
    found = f"get((SELECT score FROM predictions WHERE {condition}), 0).score"
    least = _decimal(action.minimum_score)
    return f"SELECT {', '.join(fields)} {source} {joined} {found} >= {least}"


def _condition(action: LabelAction) -> str:
    score = f"score >= {_decimal(action.minimum_score)}"
    labels = [f"label = {rule_sql.text(label)}" for label in action.labels]
    if not labels:
        return score
    return (
        f"{labels[0]} AND {score}" if len(labels) == 1 else f"({' OR '.join(labels)}) AND {score}"
    )


def _decimal(number: float) -> str:
    """Return a number without an exponent."""
    shown = f"{number:.12f}".rstrip("0")
    return shown + "0" if shown.endswith(".") else shown
