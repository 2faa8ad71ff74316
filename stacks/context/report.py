"""Faults of a context as the user reads them, each with the ``-c`` that corrects it."""

import dataclasses
import json
import shlex

from inference import schema
from stacks.context.keys import EXAMPLES


class MissingKey(schema.Fault):
    """A required key that was not given; counted apart from the values that are invalid."""

    def __str__(self) -> str:
        return f"{self.key} {self.rule}, for example {self.example}"


def missing_key(key: str, unless: str = "") -> MissingKey:
    """Return the fault of a key that was left out; ``unless`` is the key that can replace it."""
    rule = "is required" + (f", unless {unless} is given" if unless else "")
    return MissingKey(key, None, rule, option(key, EXAMPLES[key]))


def format_faults(error: schema.ConfigurationError) -> str:
    """Return what the user reads instead of a template: a header, then one line per fault."""
    invalid = [fault for fault in error.faults if not isinstance(fault, MissingKey)]
    left_out = [fault for fault in error.faults if isinstance(fault, MissingKey)]
    counts = []
    if invalid:
        counts.append(f"{len(invalid)} fault{'s' if len(invalid) > 1 else ''} in the context")
    if left_out:
        keys = f"{len(left_out)} key{'s' if len(left_out) > 1 else ''}"
        counts.append(f"{keys} missing" if invalid else f"{keys} missing in the context")
    header = f"{' and '.join(counts)}; nothing was synthesised:"
    return "\n  ".join([header, *(str(fault) for fault in [*invalid, *left_out])])


def option(key: str, value: object) -> str:
    """Return the option of the ``cdk`` command that gives ``key`` this value."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"-c {key}={shlex.quote(text)}"


def with_option(fault: schema.Fault) -> schema.Fault:
    """Return ``fault`` with the option that corrects it; an unknown key gets the nearest known one.

    A fault within a JSON value names the part and the option that the JSON belongs to.
    """
    root, _, part = fault.key.partition(".")
    if part and fault.example.startswith(f"{part}="):  # components have two forms
        example = option(root, fault.example)
    elif part and root in EXAMPLES:
        name = part.rsplit(".", 1)[-1]
        example = f'"{name}": {_as_json(fault.example)} in -c {root}=…' if fault.example else ""
    elif fault.key in EXAMPLES:
        example = option(fault.key, fault.example or EXAMPLES[fault.key])
    else:
        near = schema.nearest(fault.key, EXAMPLES, cutoff=0.5)
        example = option(near, fault.value) if near else ""
    return dataclasses.replace(fault, example=example)


def _as_json(example: str) -> str:
    """Return ``example`` as it stands in JSON: only what is JSON already has no quotation marks."""
    if example.startswith(("{", "[")):  # some are shortened by "…"
        return example
    try:
        json.loads(example)
    except ValueError:
        return json.dumps(example, ensure_ascii=False)
    return example
