"""Lists samples, newest first, with as few calls to S3 as the question needs.

One call lists 1,000 objects. Metadata takes a call for each object: only for those that may match,
several at a time, and only once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any

import botocore.exceptions

from inference.feedback.metadata import MASK_SUFFIX, mask_key

from ..aws import error_code
from ..cli.output import Output
from ..errors import MliError
from .filters import Wanted
from .head_cache import HeadCache
from .places import Owner, Place
from .stored import StoredObject, StoredSample

WORKERS = 8
PAGE = 1_000
"""What S3 lists at most with one call."""
_BATCH = 64


def listed_objects(s3: Any, places: Sequence[Place], output: Output) -> list[StoredObject]:
    """Return the objects in all places, each once, the newest first, with its mask if it has one.

    Raises:
        MliError: if a bucket does not exist.
    """
    found: dict[str, StoredObject] = {}
    masks: dict[str, StoredObject] = {}
    for place in places:
        prefix = f"{place.prefix}/" if place.prefix else ""
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=place.bucket, Prefix=prefix, PaginationConfig={"PageSize": PAGE}
        )
        try:
            for page in pages:
                for item in page.get("Contents", ()):
                    one = _object(item, place)
                    if one.key.endswith(MASK_SUFFIX):
                        masks[one.uri] = one
                    elif one.bytes and not one.key.endswith("/"):
                        found.setdefault(one.uri, one)
                output.status(f"s3://{place.bucket}/{prefix}: {len(found)} samples listed")
        except botocore.exceptions.ClientError as error:
            if error_code(error) != "NoSuchBucket":
                raise
            raise MliError(f"the bucket {place.bucket} of the samples does not exist") from None
    objects = [
        replace(one, mask=masks.get(f"s3://{one.bucket}/{mask_key(one.key)}"))
        for one in found.values()
    ]
    return sorted(objects, key=lambda one: (one.modified, one.key), reverse=True)


def matching(
    s3: Any,
    objects: Sequence[StoredObject],
    owner: Owner,
    wanted: Wanted,
    cache: HeadCache,
    output: Output,
    messages: Mapping[str, Mapping[str, Any]],
) -> Iterator[StoredSample]:
    """Yield the samples that are wanted; stop asking when no more are taken.

    ``messages`` are the messages about samples that are known, by URI.
    """
    possible = iter([one for one in objects if wanted.may_be(one)])
    asked = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        while batch := list(islice(possible, _BATCH)):
            heads = cache.find(batch)
            unknown = [one for one in batch if one.uri not in heads]
            answers = list(pool.map(lambda one: _metadata(s3, one), unknown))
            new = [
                (one, found) for one, found in zip(unknown, answers, strict=True)
                if found is not None
            ]  # fmt: skip
            cache.add(new)
            heads.update((one.uri, found) for one, found in new)
            asked += len(batch)
            output.status(f"{asked} of {len(objects)} samples read")
            for one in batch:
                if one.uri not in heads:
                    continue  # it was deleted meanwhile
                sample = StoredSample.of(one, heads[one.uri], owner)
                if one.uri in messages:
                    sample = sample.with_message(messages[one.uri])
                if _is_of(sample, owner) and wanted.matches(sample):
                    yield sample


def _is_of(sample: StoredSample, owner: Owner) -> bool:
    """Tell whether a sample is of this core: several may keep theirs in one bucket."""
    return not owner.core or sample.about.core in ("", owner.core)


def _metadata(s3: Any, one: StoredObject) -> Mapping[str, str] | None:
    try:
        found: Mapping[str, str] = s3.head_object(Bucket=one.bucket, Key=one.key)["Metadata"]
    except botocore.exceptions.ClientError as error:
        if error_code(error) in ("404", "NoSuchKey"):
            return None
        raise
    return found


def _object(item: Mapping[str, Any], place: Place) -> StoredObject:
    return StoredObject(
        place.bucket, item["Key"], item["Size"], item["ETag"], item["LastModified"], place
    )
