"""What AWS IoT creates for a device that comes with a claim: the body of a provisioning template.

https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
"""

import json
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk

from stacks import names
from stacks.names import CORE_NAME_PARAMETER, CORE_PLACEHOLDER

MAX_BODY_CHARACTERS = 10_240
"""Largest body that AWS IoT accepts."""

_CERTIFICATE = "AWS::IoT::Certificate::Id"
_CREATED_WITH = "createdWithCertificate"
_FAIL = {"AttributePayload": "FAIL", "ThingGroups": "FAIL", "ThingTypeName": "FAIL"}


def template_body(
    stack: cdk.Stack, *, group_name: str, policies: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return the body: thing, membership in the group, active certificate, policies of a core.

    ``policies`` have :data:`stacks.names.CORE_PLACEHOLDER` for the core's name. They are part of
    the body, so that AWS IoT creates them for each core, and a hash of the document becomes a
    policy's name. One policy for all cores would need ``iot:Connection.Thing.ThingName``. That has
    no value for the further connections of a classic nucleus (``<thing>#2``), and the topics have
    the core's name, not its thing's.

    An existing thing always fails: no setting but FAIL, and one attribute differs for every
    certificate. The hook refuses it before; this is for two devices that come at the same moment.
    """
    core = f"${{{CORE_NAME_PARAMETER}}}"
    resources: dict[str, Any] = {
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {"CertificateId": {"Ref": _CERTIFICATE}, "Status": "Active"},
        },
        "thing": {
            "Type": "AWS::IoT::Thing",
            "OverrideSettings": _FAIL,
            "Properties": {
                "ThingName": {"Fn::Sub": names.thing_name(core)},
                "ThingGroups": [group_name],
                "AttributePayload": {_CREATED_WITH: {"Ref": _CERTIFICATE}},
            },
        },
    }
    body = {
        "Parameters": {CORE_NAME_PARAMETER: {"Type": "String"}, _CERTIFICATE: {"Type": "String"}},
        "Resources": resources,
    }
    # The text of the document becomes an Fn::Sub of CloudFormation, and the variables of AWS IoT
    # are escaped in it: both services use the same form.
    for kind, document in policies.items():
        resources[kind] = {
            "Type": "AWS::IoT::Policy",
            "Properties": {"PolicyDocument": _of_core(stack.resolve(document), core)},
        }
    text = json.dumps(body, separators=(",", ":")).replace(core, f"${{!{CORE_NAME_PARAMETER}}}")
    return cdk.Fn.sub(text)


def _of_core(value: Any, core: str) -> Any:
    """Return a resolved policy with variables of CloudFormation for its functions.

    Texts with the name of a core become functions of AWS IoT.
    """
    if isinstance(value, list):
        return [_of_core(item, core) for item in value]
    if not isinstance(value, dict):
        return value
    if "Fn::GetAtt" in value:
        return "${{{}.{}}}".format(*value["Fn::GetAtt"])
    if "Fn::Sub" in value:
        text = str(value["Fn::Sub"])
        if CORE_PLACEHOLDER not in text:
            return text
        return {"Fn::Sub": text.replace(CORE_PLACEHOLDER, core)}
    return {key: _of_core(item, core) for key, item in value.items()}
