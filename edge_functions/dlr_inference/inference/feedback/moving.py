"""Samples whose place is no longer permitted: they go where their configuration sends new ones."""

from __future__ import annotations

import posixpath
from dataclasses import replace

from .configuration import FeedbackConfigurations
from .messages import object_key, source_ref
from .metadata import MODEL, MODEL_SHA256, decoded_text, mask_key, model_folder
from .samples import SampleRequest


def moved(
    request: SampleRequest, configurations: FeedbackConfigurations | None, folder: str
) -> SampleRequest | None:
    """Return ``request`` for the place that its configuration has now; None if it is the same.

    A deployment that changes a bucket or a prefix also changes what the core may write, while
    samples may still wait on its disk. ``folder`` is that of the core's samples below each prefix.
    """
    if configurations is None:
        return None
    config_id = str(request.message.get("config-id", ""))
    now = configurations.find(config_id) or configurations.all[0]  # it may have been renamed
    if not now.bucket:
        return None
    model = model_folder(
        decoded_text(request.about.get(MODEL, "")), request.about.get(MODEL_SHA256, "")
    )
    prefix = "/".join(filter(None, (now.prefix, folder, model)))
    name, _, ending = posixpath.basename(request.key).partition(".")
    key = object_key(prefix, name, ending)
    if (now.bucket, key) == (request.bucket, request.key):
        return None
    message = {**request.message, "source-ref": source_ref(now.bucket, key)}
    if "mask-ref" in message["metadata"]:
        mask = source_ref(now.bucket, mask_key(key))
        message["metadata"] = {**message["metadata"], "mask-ref": mask}
    return replace(request, bucket=now.bucket, key=key, message=message)
