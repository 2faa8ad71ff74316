"""The signed address with which AWS credentials open MQTT over WebSocket.

https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html#mqtt-ws
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_SERVICE = "iotdevicegateway"
_VALID_SECONDS = 60


def signed_path(credentials: Any, *, host: str, region: str) -> str:
    """Return path and query of the WebSocket at ``host``, signed for the next minute.

    The session token comes after the signature and is not part of it: AWS IoT requires that, unlike
    other services. ``credentials`` are botocore's frozen ones.
    """
    unsigned = Credentials(credentials.access_key, credentials.secret_key)
    request = AWSRequest(method="GET", url=f"wss://{host}/mqtt", headers={"host": host})
    SigV4QueryAuth(unsigned, _SERVICE, region, expires=_VALID_SECONDS).add_auth(request)
    path = f"/mqtt?{request.url.partition('?')[2]}"
    if credentials.token:
        path += f"&X-Amz-Security-Token={quote(credentials.token, safe='')}"
    return path
