"""What a V2 core asks Greengrass with its certificate, as the policies of the certificate allow.

- ``ResolveComponentCandidates`` and ``GetComponentVersionArtifact``, of the same API as the others
- ``GET /greengrass/v2/coreDevices/<thing>/thingGroups``: ListThingGroupsForCoreDevice, which the
  published model of the API does not have
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from .. import location
from ..api.errors import ApiError
from ..api.rest_api import HttpReply, RestApi
from ..iam.authorization import Authorization, CertificateHolder
from ..iot.device_endpoint import DeviceRequest

_PREFIX = "/greengrass/v2/"
_GROUPS = re.compile(r"/greengrass/v2/coreDevices/([^/]+)/thingGroups")
_PATHS = re.compile(r"/greengrass/v2/(resolveComponentCandidates|components/.+/artifacts/.+)/?")


class DataPlane:
    """Serves cores; ``is_active`` and ``is_attached`` are the registry's, of a certificate's id."""

    def __init__(
        self,
        api: RestApi,
        *,
        iam: Authorization,
        groups_of: Callable[[str], list[str]],
        is_active: Callable[[str], bool],
        is_attached: Callable[[str, str], bool],
    ) -> None:
        self._api = api
        self._iam = iam
        self._groups_of = groups_of
        self._is_active = is_active
        self._is_attached = is_attached

    def serve(self, request: DeviceRequest) -> HttpReply | None:
        """Answer a request, or return None if it is not for this service.

        Raises:
            ApiError: if it is refused.
        """
        if not request.path.startswith(_PREFIX):
            return None
        if not self._is_active(request.certificate):
            raise ApiError("AccessDeniedException", "the certificate is not active", 403)
        with self._iam.acting_as(CertificateHolder(request.certificate)):
            if groups := _GROUPS.fullmatch(request.path):
                return self._groups(unquote(groups[1]), request.certificate)
            if not _PATHS.fullmatch(request.path):
                return None
            return self._api.serve(
                request.method, request.path, request.query, request.headers, request.body
            )

    def _groups(self, thing_name: str, certificate: str) -> HttpReply:
        resource = location.arn("greengrass", f"coreDevices:{thing_name}")
        self._iam.authorize("greengrass:ListThingGroupsForCoreDevice", resource)
        if not self._is_attached(thing_name, certificate):
            reason = f"{thing_name} does not have this certificate"
            raise ApiError("AccessDeniedException", reason, 403)
        groups = [
            {"thingGroupName": arn.partition("/")[2], "thingGroupArn": arn}
            for arn in self._groups_of(thing_name)
        ]
        return HttpReply.of_json({"thingGroups": groups})
