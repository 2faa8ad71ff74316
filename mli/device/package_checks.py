"""Checks in AWS IoT whether certificate and thing belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import MliError
from .keyfiles import KeyFolder, certificate_id


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


def principals(iot: Any, thing_name: str) -> Sequence[str]:
    """Return the ARNs of all certificates that a thing has."""
    pages = iot.get_paginator("list_thing_principals").paginate(thingName=thing_name)
    return [arn for page in pages for arn in page["principals"]]
