"""Checks in AWS IoT whether certificate and thing belong together."""

from __future__ import annotations

import re
from typing import Any

import botocore.exceptions

from ...aws import error_code
from ...errors import MliError
from ...listings import listed, principals
from .keyfiles import KeyFolder, certificate_id

OWN_POLICIES = ("CorePolicy", "GreengrassPolicy", "PublishPolicy")
"""The ends of the names of the policies that a core's stack, or `mli fleet`, attaches."""

POLICY_OF_A_TEMPLATE = re.compile("[0-9A-Fa-f]{32,64}")
"""AWS IoT names a policy that is part of a provisioning template by a hash of its document.

In its guide that is 40 digits in upper case, but the guide does not name the hash:
https://docs.aws.amazon.com/iot/latest/developerguide/single-thing-provisioning.html
"""

_NOT_LISTED = ("AccessDenied", "AccessDeniedException", "ForbiddenException",
               "UnauthorizedException", "ResourceNotFoundException")  # fmt: skip


def fetch_certificate(iot: Any, keys: KeyFolder, identity: str) -> None:
    """Write the certificate that a stack created from a signing request beside its key."""
    found = iot.describe_certificate(certificateId=identity)["certificateDescription"]
    keys.write_certificate(found["certificatePem"].encode())


def check_registered(iot: Any, certificate_pem: bytes, thing_name: str) -> str:
    """Return a certificate's id if it is active and attached to the thing.

    Raises:
        MliError: naming what is wrong, and the command that fixes it.
    """
    identity, region = certificate_id(certificate_pem), iot.meta.region_name
    errors = iot.exceptions
    try:
        found = iot.describe_certificate(certificateId=identity)["certificateDescription"]
    except errors.ResourceNotFoundException:
        raise MliError(
            f"AWS IoT has no certificate {identity[:10]}… in {region}: is it from another Region "
            "or account? Give its --region"
        ) from None
    if found["status"] != "ACTIVE":
        raise MliError(
            f"the certificate {identity[:10]}… is {found['status']}: `aws iot update-certificate "
            f"--region {region} --certificate-id {identity} --new-status ACTIVE`"
        )
    try:
        attached = principals(iot, thing_name)
    except errors.ResourceNotFoundException:
        raise MliError(f"there is no thing {thing_name} in {region}: deploy the stack") from None
    if found["certificateArn"] not in attached:
        others = ", ".join(f"{arn.rpartition('/')[2][:10]}…" for arn in attached) or "none"
        raise MliError(
            f"the certificate {identity[:10]}… is not attached to {thing_name} (attached: {others})"
            f": deploy with -c certificateId={identity}, or give the right --folder"
        )
    return identity


def foreign_attachments(iot: Any, core_name: str, thing_name: str) -> list[str]:
    """Return a warning for each policy, thing and certificate that others attached to a core's.

    They give the core more permissions than its stack describes, and CloudFormation cannot delete
    a thing or a certificate that has them. What may not be listed is not reported.
    """
    own = {f"{core_name}_{kind}" for kind in OWN_POLICIES}
    warnings = []
    try:
        certificates = principals(iot, thing_name)
        for arn in certificates:
            policies = listed(iot, "list_attached_policies", "policies", target=arn)
            things = listed(iot, "list_principal_things", "things", principal=arn)
            warnings += [
                f"the certificate has the policy {name}, which is not the stack's, so `cdk "
                f"destroy` may fail: `aws iot detach-policy --policy-name {name} --target {arn}`"
                for name in sorted({str(policy["policyName"]) for policy in policies} - own)
                if not POLICY_OF_A_TEMPLATE.fullmatch(name)
            ]
            warnings += [
                f"the certificate is also attached to the thing {name}, so `cdk destroy` may fail: "
                f"`aws iot detach-thing-principal --thing-name {name} --principal {arn}`"
                for name in sorted({str(thing) for thing in things} - {thing_name})
            ]
    except botocore.exceptions.ClientError as error:
        if error_code(error) not in _NOT_LISTED:
            raise
        return warnings
    if len(certificates) > 1:
        warnings.append(
            f"{thing_name} has {len(certificates)} certificates, so `cdk destroy` may fail: detach "
            "those that are not the stack's with `aws iot detach-thing-principal --thing-name "
            f"{thing_name} --principal ARN` ({', '.join(certificates)})"
        )
    return warnings
