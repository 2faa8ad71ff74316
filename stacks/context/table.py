"""The table of context keys that the documentation shows, from their declarations."""

import json

from stacks.context.keys import CONTEXT_FIELDS

_DEFAULTS_IN_WORDS = {
    "coreName": "this or fleetName",
    "fleetName": "–",
    "certificateId": "this or certificateSigningRequest",
    "certificateSigningRequest": "–",
    "modelS3Uri": "this or modelPath",
    "modelRuntime": "the artifact's, or `dlr`",
    "feedbackConfiguration": "three strategies",
    "feedbackBucketName": "the stack creates one",
    "rollout": "–",
    "simulatorInstanceType": "by architecture",
    "simulatorImageId": "the newest",
    "simulatorVpcId": "a new one",
    "simulatorSubnetId": "a new one",
    "confidenceThreshold": "the profile's",
    "topK": "the profile's",
    "classes": "all",
}


def markdown_table() -> str:
    """Return the table of keys of ``docs/context.md``."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for field in CONTEXT_FIELDS:
        shown = _DEFAULTS_IN_WORDS.get(field.key) or _shown_default(field.default)
        meaning = field.meaning.replace("|", "\\|")
        rows.append(f"| `{field.key}` | {shown} | {meaning} |")
    return "\n".join(rows) + "\n"


def _shown_default(default: object) -> str:
    if default in (None, "", ()):
        return "–"
    if isinstance(default, float):
        default = f"{default:g}"
    elif isinstance(default, bool):
        default = json.dumps(default)
    return f"`{default}`"
