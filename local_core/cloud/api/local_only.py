"""The endpoint for programs of this machine only: requests of web pages are refused."""

from __future__ import annotations

from typing import Any

from ...local_requests import is_for_pages, refusal
from ..emulator import Message, Receive, Send

_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")


class LocalOnly:
    """An ASGI application that passes on what a local program sends."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request with 403, or pass it on; no reply permits web pages to read it."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        reason = refusal(scope["headers"])
        if reason is not None:
            await _refuse(scope["type"], reason, send)
            return

        async def send_without(message: Message) -> None:
            if message["type"] in _STARTS:
                kept = [
                    (name, value)
                    for name, value in message.get("headers", [])
                    if not is_for_pages(name)
                ]
                message = {**message, "headers": kept}
            await send(message)

        await self._application(scope, receive, send_without)


async def _refuse(kind: str, reason: str, send: Send) -> None:
    body = reason.encode() + b"\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    prefix = "http" if kind == "http" else "websocket.http"
    await send({"type": f"{prefix}.response.start", "status": 403, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})
