"""The thing groups of a core, which Greengrass's data plane lists for it."""

from __future__ import annotations

import json
import ssl
import urllib.request
from urllib.parse import quote

from ..agent import CloudUnreachableError
from ..setup import Address

_SECONDS = 10.0


def targets_of(data_plane: Address, thing_name: str, tls: ssl.SSLContext) -> frozenset[str]:
    """Return a core's targets, such as ``thing/NAME`` and ``thinggroup/NAME``.

    Raises:
        CloudUnreachableError: if the cloud cannot be asked, or refuses.
    """
    path = f"/greengrass/v2/coreDevices/{quote(thing_name, safe='')}/thingGroups"
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
    )
    try:
        url = f"https://{data_plane.host}:{data_plane.port}{path}"
        with opener.open(url, timeout=_SECONDS) as reply:
            groups = json.load(reply)["thingGroups"]
    except (OSError, ValueError, KeyError) as error:
        raise CloudUnreachableError(f"GET {path}: {error}") from None
    names = {f"thinggroup/{group['thingGroupName']}" for group in groups}
    return frozenset({f"thing/{thing_name}", *names})
