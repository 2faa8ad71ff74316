"""Downloads objects to a core by the signed links that the cloud returns."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Callable, Mapping
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
    """Fetches artifacts of component versions.

    https://docs.aws.amazon.com/greengrass/v2/APIReference/API_GetComponentVersionArtifact.html
    """

    def __init__(self) -> None:
        self._client: Callable[[], Any] = lambda: None
        self._owners: Mapping[str, str] = {}

    def use(self, client: Callable[[], Any], owners: Mapping[str, str]) -> None:
        """Fetch with a ``client`` of greengrassv2, which is made when something is to be fetched.

        ``owners`` are the ARNs of component versions by artifact URI.
        """
        self._client, self._owners = client, owners

    def fetch(self, uri: str, destination: Path) -> bool:
        """Make ``destination`` the content of ``uri``.

        Raises:
            ArtifactError: if it cannot be fetched.
        """
        owner = self._owners.get(uri)
        if owner is None:
            raise ArtifactError(f"{uri} belongs to no component of the deployment")
        name = uri.partition("://")[2]
        try:
            reply = self._client().get_component_version_artifact(arn=owner, artifactName=name)
            download(reply["preSignedUrl"], destination)
        except Exception as error:  # botocore's are many, and urllib's are others
            raise ArtifactError(f"{uri} cannot be fetched: {error}") from error
        return True
