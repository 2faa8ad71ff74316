"""Every policy statement of the templates, with its reason, as docs/permissions.md lists them."""

import json
from collections.abc import Iterator
from typing import Any

from tests.stacks.configurations import template
from tests.stacks.synthesis import ROOT, resolved

DEPLOYER_POLICIES = {
    "deployer": ROOT / "stacks" / "deployer-policy.json",
    "deployer-monitoring": ROOT / "stacks" / "deployer-policy-monitoring.json",
}
"""By the generated part of docs/permissions.md."""

SECTIONS = {
    "A V2 core (the default)": ("v2", "Demo"),
    "What differs in a fleet (`fleetName`)": ("v2-fleet", "DlrInferenceFleet-shop-floor"),
    "With a key of AWS KMS (`kmsKeyArn`)": ("v2-kms", "Demo"),
    "With dashboard, alarms and actions (`dashboard`, `alarmEmail`, `actions`)": (
        "v2-watched",
        "Demo",
    ),
    "What differs in a fleet with them": ("v2-fleet-watched", "DlrInferenceFleet-shop-floor"),
    "A V1 core (`greengrassVersion=1`)": ("v1", "Demo"),
    "What differs with AWS's connector (`estimator=connector`)": ("v1-connector", "Demo"),
    "The simulator (`simulator=true`)": ("v2-simulator", "Demo-Simulator"),
}

BASES = {
    "v1-connector": ("v1", "Demo"),
    "v2-fleet": ("v2", "Demo"),
    "v2-kms": ("v2", "Demo"),
    "v2-watched": ("v2", "Demo"),
    "v2-fleet-watched": ("v2-fleet", "DlrInferenceFleet-shop-floor"),
}
"""Configurations of which only the differences from another are listed."""

REASONS: dict[tuple[str, ...], str] = {
    ("sts:AssumeRole",): "Only this service may take the role.",
    ("iot:Connect",): "The core connects under its thing's name, and under it with a suffix for "
    "each further connection.",
    ("iot:Publish", "iot:Receive"): "Jobs, shadows and health reports of this core, with which "
    "Greengrass deploys to it.",
    ("iot:Subscribe",): "Those of the same topics that the core subscribes to.",
    ("iot:Publish",): "Exactly the topics of [topics](topics.md).",
    ("iot:AssumeRoleWithCertificate",): "AWS credentials for this core, only with this role.",
    ("iot:DeleteThingShadow", "iot:GetThingShadow", "iot:UpdateThingShadow"): "The core keeps its "
    "deployments' state in its own shadows.",
    (
        "greengrass:GetComponentVersionArtifact",
        "greengrass:GetDeploymentConfiguration",
        "greengrass:ListThingGroupsForCoreDevice",
        "greengrass:ResolveComponentCandidates",
    ): "`*`: the data plane resolves whatever a deployment names, AWS's own components included, "
    "and its policy examples give no narrower resource.",
    ("greengrass:AssumeRoleForGroup", "greengrass:CreateCertificate"): "`*`: neither action takes "
    "a resource.",
    (
        "greengrass:GetDeployment",
        "greengrass:GetDeploymentArtifacts",
        "greengrass:UpdateCoreDeploymentStatus",
    ): "A wildcard at the end: the service gives a deployment its id. This group only: the core "
    "gets its deployments, and reports on them.",
    ("greengrass:GetConnectivityInfo", "greengrass:UpdateConnectivityInfo"): "Where devices find "
    "this core.",
    (
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
    ): "A wildcard at the end: a core names log groups after its components or functions, and "
    "streams after the day.",
    ("logs:CreateLogStream", "logs:PutLogEvents"): "The function's own log group.",
    ("s3:GetBucketLocation",): "The bucket of the artifacts: the nucleus asks for its Region.",
    ("ReadArtifacts",): "A wildcard at the end: the artifacts of every version of this component, "
    "since a core may still need an old one. Nothing else is there.",
    ("ReadSources",): "Exactly what is copied: code, model, and a profile that is not built in.",
    ("s3:ListBucket",): "Which copies exist: they are not made again.",
    ("WriteCopies",): "A wildcard at the end: a copy's key ends in a digest. Copies are never "
    "deleted.",
    ("s3:PutObject",): "A wildcard at the end: a sample's key ends in a UUID. Only below the "
    "prefixes of the feedback configurations, and no permission to read or list.",
    ("s3:*",): "Denies all requests that do not use TLS 1.2 or newer.",
    ("iot:DescribeEndpoint",): "`*`: the action takes no resource. For the output "
    "`GreengrassConfig`.",
    ("iot:AddThingToThingGroup", "iot:RemoveThingFromThingGroup"): "Puts this core into its own "
    "thing group, and removes it: CloudFormation has no resource type for the membership.",
    ("dynamodb:PutItem",): "The rule keeps the newest telemetry of each core in this table.",
    ("iot:ListTargetsForPolicy",): "Whether there are claim certificates: then neither.",
    ("ProvisioningClaimPolicy", "iot:Connect"): "The shape of a UUID, which a nucleus without an "
    "identity chooses as its client id: a claim cannot take a core's connection.",
    ("ProvisioningClaimPolicy", "iot:Publish"): "The two requests of "
    "[fleet provisioning](fleet.md#cores-that-provision-themselves).",
    ("iot:Receive",): "The replies to these two requests.",
    ("ProvisioningClaimPolicy", "iot:Subscribe"): "The replies to these two requests.",
    ("FindThing",): "Whether a thing of this name exists: the device chooses the name of its core.",
    ("CreateThing",): "The thing of a core, whose name the device chooses.",
    ("JoinFleet",): "Its membership of the fleet.",
    ("CreatePolicies",): "`*`: AWS IoT names a policy that is part of the template by a hash.",
    ("AttachCertificate",): "`*`: AWS IoT gives the certificate its id. Activates it, and gives it "
    "its thing and policies; AWS has two names for the latter.",
    ("ReadRegistry",): "What AWS IoT looks up meanwhile. AWS documents no minimum: these are the "
    "reads of its managed policy that concern things, groups, certificates and policies.",
    ("ListPolicies",): "What AWS IoT looks up meanwhile, too. `*`: these actions take no resource.",
    ("Send",): "Exactly the target of the action.",
    ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"): "Rules of this stack "
    "write this log group: telemetry, or actions that failed.",
    ("kms:*",): "The account itself: its administrators manage the key, and IAM policies apply.",
    ("Alarms",): "Alarms of this account, and nobody else, use the key and publish on the topic.",
    ("AllowPublishThroughSSLOnly",): "Denies all requests without TLS.",
    ("ReadTelemetry",): "When each core was heard last.",
    ("ListMembers",): "Which cores are in the fleet: before its stack is deleted, and when silent "
    "cores are counted.",
    ("DecryptArtifacts",): "The core downloads artifacts that this key encrypts.",
    ("EncryptCopies",): "The function copies artifacts from and to buckets with this key.",
    ("EncryptSamples",): "The core writes samples, which this key encrypts.",
    ("greengrass:ListDeployments",): "`*`: the action takes no resource. The latest deployment to "
    "this target, whose other components a new one must not remove.",
    (
        "greengrass:GetDeployment",
    ): "A wildcard at the end: the service chooses the id of the latest deployment.",
    ("cloudformation:DescribeStacks",): "Whether this stack is rolling back, which must succeed.",
    ("LiftProtection",): "Lets the CDK CLI delete this stack if its creation has failed.",
    ("iot:DescribeJob", "iot:DescribeThingGroup"): "Greengrass calls them for those two: a "
    "deployment is a job, whose id it chooses.",
    ("greengrass:ListComponentVersions",): "The versions of this core's component, to find the "
    "first free one.",
    ("ssm:GetParameter",): "The newest image, once: a later one must not replace the instance.",
    ("sagemaker:DescribeTrainingJob",): "Exactly the job whose model AWS's connector runs.",
    ("greengrass:ResetDeployments",): "A group that is deployed cannot be deleted.",
    ("greengrass:GetDeploymentStatus",): "A wildcard at the end: a reset is a deployment, whose id "
    "the service gives when it begins.",
    ("arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",): "Session Manager, instead of an "
    "open port; AWS keeps this managed policy at what its agent needs.",
}
"""Why each set of actions is allowed in every policy or in one, or the statement with a Sid."""


MONITORING_REASONS: dict[str, str] = {
    "MetricFilters": "The filters that make metrics of the log of telemetry.",
    "Dashboards": "The dashboard's name begins with the stack's.",
    "Alarms": "The alarms.",
    "AlarmTopic": "Their topic, and its new subscription.",
    "Subscriptions": "`*`: these actions take no resource.",
    "NewKeys": "`*`: a key has no ARN yet. The topic's key, with its tags.",
    "Keys": "Reads a key, and lets AWS rotate it: its tags take effect only after minutes.",
    "KeysOfTheStacks": "Only keys whose tag `mli:stack` names a stack of this app, as that of the "
    "topic does. AWS KMS does not support CloudFormation's own tags.",
    "Schedule": "When the function counts the silent cores of a fleet.",
    "FunctionsThatRulesInvoke": "A rule may invoke the function of an action, which is yours. Only "
    "AWS IoT can be allowed.",
    "PoliciesOfFunctions": "CloudFormation checks whether the permission is there.",
}
"""What each statement of the second policy is for."""

DEPLOYER_REASONS: dict[str, str] = {
    "Things": "The core's thing.",
    "ThingGroups": "The core's own group, or the fleet's. `*Tag*`, here and below: CloudFormation "
    "reads the tags of what it has created, and gives it those of the stack.",
    "DevicePolicies": "The certificate's policies and their versions.",
    "Certificates": "Attaches the policies and the thing; the others for a certificate that the "
    "stack made from a signing request.",
    "CertificateOfASigningRequest": "`*`: the action takes no resource. For "
    "`certificateSigningRequest`.",
    "RoleAlias": "The alias of the token exchange role, of a core or a fleet.",
    "TelemetryRule": "The rule that keeps the newest telemetry of each core. Wildcards save "
    "space: IAM takes 6,144 characters.",
    "TelemetryTable": "The table where it is kept, of which CloudFormation also reads all "
    "settings.",
    "ProvisioningTemplate": "How cores of a fleet provision themselves. A wildcard saves space: "
    "all actions on templates and their versions.",
    "Components": "Versions of the component of a core or fleet; `DeleteComponent` is for one "
    "whose creation failed.",
    "NewDeployments": "`*`: the action takes no resource.",
    "Deployments": "A deployment is replaced at each change, and deleted with the stack.",
    "WhatDeploymentsAreMadeOf": "Greengrass calls them as the deployer: a deployment is a job, and "
    "to one thing a shadow.",
    "GroupsOfGreengrassV1": "For V1: the group, its definitions and their versions.",
    "NewGroupsOfGreengrassV1": "For V1. `*`: these actions take no resource.",
    "Roles": "The roles of the stack, with their policies.",
    "RolesOfServices": "Gives the roles to the services that they are for, and to no other.",
    "Functions": "The functions of custom resources, of a fleet's hook, which AWS IoT gets the "
    "permission to call, and of V1's inference. CloudFormation also reads all settings.",
    "Logs": "The log groups of these functions.",
    "LogsList": "`*`: the action takes no resource.",
    "Artifacts": "The code of functions, and the artifacts of components, which Greengrass reads "
    "as the deployer.",
    "Buckets": "The buckets of artifacts and of samples.",
    "VersionOfTheBootstrapStack": "Each template of the CDK names this parameter.",
    "InstanceProfile": "For the simulator.",
    "Simulator": "For the simulator: network, security group, launch template, instance. `*`: "
    "AWS gives them their ids.",
}
"""What each statement of the deployer's policy is for."""


def deployer_markdown(part: str = "deployer") -> str:
    """The table of one of the deployer's policies."""
    lines = ["| statement | actions | resources | reason |", "|---|---|---|---|"]
    statements = json.loads(DEPLOYER_POLICIES[part].read_text(encoding="utf-8"))["Statement"]
    reasons = DEPLOYER_REASONS if part == "deployer" else MONITORING_REASONS
    assert [one["Sid"] for one in statements] == list(reasons)
    for one in statements:
        equal = one.get("Condition", {}).get("StringEquals", {})
        services = [name for listed in equal.values() for name in listed]
        passed = f", to {_spaced(services)}" if services else ""
        cells = (
            one["Sid"],
            _spaced(one["Action"]) + passed,
            _spaced([item.removeprefix("arn:aws:") for item in one["Resource"]]),
            reasons[one["Sid"]],
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _spaced(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def rows(name: str, stack: str) -> Iterator[tuple[str, str, str, str]]:
    """The holder, effect with actions, resources, and reason of each statement of a template."""
    for logical_id, resource in template(name, stack)["Resources"].items():
        who = f"{logical_id[:-8]}"
        properties = resolved(resource.get("Properties", {}))
        for managed in properties.get("ManagedPolicyArns", []):
            yield (who, "managed policy", managed, _reason([managed], who))
        for statement in _statements(properties):
            actions = sorted(_listed(statement["Action"]))
            resources = _listed(statement.get("Resource", statement.get("Principal")))
            shown = sorted(_short(str(item)) for item in resources)
            reason = _reason(actions, who, str(statement.get("Sid", "")))
            yield (who, _joined(actions, statement["Effect"]), "<br>".join(shown), reason)


def markdown() -> str:
    """The tables of docs/permissions.md."""
    lines: list[str] = []
    for title, (name, stack) in SECTIONS.items():
        lines += [f"## {title}", "", "| who | actions | resources | reason |", "|---|---|---|---|"]
        shown = set(rows(name, stack)) - set(rows(*BASES[name]) if name in BASES else ())
        lines += ["| " + " | ".join(row) + " |" for row in sorted(shown)]
        lines.append("")
    return "\n".join(lines)


def _statements(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    names = ("AssumeRolePolicyDocument", "PolicyDocument", "KeyPolicy")
    documents = [properties.get(name) for name in names]
    documents += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    for document in documents:
        if document:
            yield from document["Statement"]


def _reason(actions: list[str], who: str, sid: str = "") -> str:
    found = [(who, *actions), (sid,), tuple(actions)]
    reason = next((REASONS[key] for key in found if key in REASONS), None)
    assert reason, f"{who}: no reason is written for {actions}"
    return reason


def _joined(actions: list[str], effect: str) -> str:
    text = "<br>".join(f"`{action}`" for action in actions)
    return text if effect == "Allow" else f"deny {text}"


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [item for part in value.values() for item in _listed(part)]
    return value if isinstance(value, list) else [value]


def _short(text: str) -> str:
    for fixed, shown in (
        ("arn:aws:", ""),
        ("ap-southeast-2", "REGION"),
        ("123456789012", "ACCOUNT"),
        ("<", "‹"),
        (">", "›"),
    ):
        text = text.replace(fixed, shown)
    words = [word if len(word.partition(".")[0]) != 64 else "HASH.zip" for word in text.split("/")]
    return "`" + "/".join(words) + "`"
