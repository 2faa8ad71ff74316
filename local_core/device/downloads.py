"""Downloads objects to a core: from S3, and by signed links that the cloud returns."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..nucleus.artifacts import ArtifactError

_SECONDS = 60.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def download(link: str, destination: Path) -> None:
    """Download ``link`` to a file, which appears once it is complete.

    Raises:
        OSError: if it cannot be had.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(f".{destination.name}.part")
    with _OPENER.open(link, timeout=_SECONDS) as source, partial.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    partial.replace(destination)


class ComponentArtifacts:
    """Fetches artifacts from S3 with the core's own credentials, as both nuclei do.

    The classic nucleus asks for the Region of the bucket first. ``client`` makes a client of S3
    when something is to be fetched.
    """

    def __init__(self, client: Callable[[], Any], *, asks_for_region: bool) -> None:
        self._client = client
        self._asks_for_region = asks_for_region

    def fetch(self, uri: str, destination: Path) -> bool:
        """Make ``destination`` the content of ``uri``.

        Raises:
            ArtifactError: if it cannot be fetched.
        """
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        destination.parent.mkdir(parents=True, exist_ok=True)
        partial = destination.with_name(f".{destination.name}.part")
        try:
            s3 = self._client()
            if self._asks_for_region:
                s3.get_bucket_location(Bucket=bucket)
            body = s3.get_object(Bucket=bucket, Key=key)["Body"]
            with partial.open("wb") as sink:
                shutil.copyfileobj(body, sink)
        except Exception as error:  # botocore's are many, and urllib3's are others
            raise ArtifactError(f"{uri} cannot be fetched: {error}") from error
        partial.replace(destination)
        return True
