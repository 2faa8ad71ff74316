"""Copies of a component's artifacts, by Amazon S3 itself, and the version that they make.

A copy lies under a key that only its own content can get: the CDK names assets after the digest of
their content, and a model lies in a folder named after its address and its ETag. So a copy that
exists is the right one, and is written again only to encrypt it with another key.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from .rollback import is_rolling_back

_VERSION_PART = 1_000_000

_log = logging.getLogger()


class SourceError(RuntimeError):
    """A model that cannot be read; the stack's events show the message."""


def copy(properties: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Copy ``Assets``, and ``Model`` if there is one, to ``Bucket`` below ``Prefix``.

    Each of them is ``<bucket>/<key>``. ``ContentVersion`` is derived from ``ContentDigest`` and
    the model's ETag; ``ModelFolder`` is the model's folder below the prefix. The physical id
    changes with the content, so that a rollback returns to the old attributes. It ends in the
    ETag: after a failed update, CloudFormation asks again with the old properties, when the model
    may be gone or another one, and gets what is deployed.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html

    ``KmsKey``, if there is one, is the key of the bucket. When another takes its place, everything
    is copied again: the core's role may use only the new one.

    Raises:
        SourceError: if the model does not exist, or may not be read.
        ClientError: if S3 refuses a copy, or the model was replaced meanwhile.
    """
    s3 = boto3.client("s3")
    bucket, prefix, model = properties["Bucket"], properties["Prefix"], properties.get("Model")
    present = frozenset[str]() if _has_another_key(properties) else _keys_below(s3, bucket, prefix)
    tag = folder = ""
    if model:
        tag = _deployed_tag(properties) or _tag_of(s3, model)
        folder = hashlib.sha256(f"{model} {tag}".encode()).hexdigest()[:32]
        _copy(s3, model, bucket, f"{prefix}/{folder}/{_name(model)}", present, tag)
    for asset in properties["Assets"]:
        _copy(s3, asset, bucket, f"{prefix}/{_name(asset)}", present)
    version = _content_version(properties["ContentDigest"], tag)
    return _physical_id(properties, tag), {"ContentVersion": version, "ModelFolder": folder}


def _has_another_key(properties: Mapping[str, Any]) -> bool:
    old = properties["OldResourceProperties"]
    return bool(old) and old.get("KmsKey") != properties.get("KmsKey")


def _physical_id(properties: Mapping[str, Any], tag: str) -> str:
    version = _content_version(properties["ContentDigest"], tag)
    return "/".join(filter(None, (properties["Bucket"], properties["Prefix"], version, tag)))


def _deployed_tag(properties: Mapping[str, Any]) -> str:
    """Return the model's ETag in what is deployed, to which the stack rolls back; empty if not."""
    present = properties["PhysicalResourceId"]
    tag = present.rpartition("/")[2]
    is_deployed = present == _physical_id(properties, tag)
    return tag if is_deployed and is_rolling_back(properties["StackId"]) else ""


def _copy(
    s3: Any, source: str, bucket: str, key: str, present: frozenset[str], tag: str = ""
) -> None:
    """Copy one object, unless its copy exists; with ``tag`` only if it still has this ETag."""
    if key in present:
        return
    condition = {"CopySourceIfMatch": tag} if tag else {}
    # Tags are not copied: that would need permissions of its own.
    s3.copy_object(
        CopySource=_place(source), Bucket=bucket, Key=key, TaggingDirective="REPLACE", **condition
    )
    _log.info("copied %s to %s/%s", source, bucket, key)


def _keys_below(s3: Any, bucket: str, prefix: str) -> frozenset[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    return frozenset(item["Key"] for page in pages for item in page.get("Contents", ()))


def _tag_of(s3: Any, source: str) -> str:
    """Return the ETag of an object, which changes with its content."""
    try:
        return str(s3.head_object(**_place(source))["ETag"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("403", "404", "AccessDenied", "NoSuchKey"):
            raise
        raise SourceError(
            f"the model s3://{source} does not exist, or this stack may not read it"
        ) from None


def _content_version(digest: str, tag: str) -> str:
    """Return two numbers of at most six digits: the service refuses other forms of versions."""
    whole = hashlib.sha256(f"{digest} {tag}".encode()).digest()
    words = (int.from_bytes(whole[start : start + 8], "big") for start in (0, 8))
    return ".".join(str(word % _VERSION_PART) for word in words)


def _place(source: str) -> dict[str, str]:
    bucket, _, key = source.partition("/")
    return {"Bucket": bucket, "Key": key}


def _name(source: str) -> str:
    return source.rsplit("/", 1)[-1]
