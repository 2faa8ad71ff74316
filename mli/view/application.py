"""The page as a bare ASGI application: its files, the pictures of samples, and the live state.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from .board import Board
from .gate import Gate
from .pictures import LONGEST_SIDE, SMALL_SIDE, PictureError, Pictures

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

PAUSE_SECONDS = 0.25
"""Between two states for one page: what a person can follow, whatever the cores publish."""
_FILES: Mapping[str, tuple[str, str]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/picture.js": ("picture.js", "text/javascript; charset=utf-8"),
    "/charts.js": ("charts.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_FOLDER = Path(__file__).parent / "page"
_PICTURE = re.compile(r"/pictures/(\d{1,12})(/small)?", re.ASCII)
_PLAIN = "text/plain; charset=utf-8"
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_MOST_MESSAGE_CHARACTERS = 300
_POLICY_VIOLATION = 1008


class Application:
    """Serves one page to any number of tabs."""

    def __init__(self, board: Board, gate: Gate, pictures: Pictures | None) -> None:
        """Without ``pictures`` there are no AWS credentials to fetch samples with."""
        self._board = board
        self._gate = gate
        self._pictures = pictures

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            await self._http(scope, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)

    async def _http(self, scope: Any, send: Send) -> None:
        refusal = self._gate.refusal(scope["headers"])
        if refusal is not None:
            await _reply(send, 403, refusal.encode())
        elif scope["method"] not in ("GET", "HEAD"):
            await _reply(send, 405, b"only GET is allowed")
        elif scope["path"] == "/" and (cookie := self._gate.traded(scope["query_string"])):
            more = ((b"location", b"/"), (b"set-cookie", cookie.encode()))
            await _reply(send, 303, b"", more=more)
        elif not self._gate.has_cookie(scope["headers"]):
            await _reply(send, 403, b"open the address that `mli view` printed, with its token")
        else:
            await self._serve(scope["path"], send)

    async def _serve(self, path: str, send: Send) -> None:
        if path in _FILES:
            name, kind = _FILES[path]
            await _reply(send, 200, (_FOLDER / name).read_bytes(), kind)
            return
        match = _PICTURE.fullmatch(path)
        uri = self._board.uri_of(int(match[1])) if match else None
        if match is None or uri is None:
            await _reply(send, 404, b"there is no such page or sample")
        elif self._pictures is None:
            await _reply(send, 404, b"pictures of samples need AWS credentials")
        else:
            side = SMALL_SIDE if match[2] else LONGEST_SIDE
            try:
                picture = await asyncio.to_thread(self._pictures.get, uri, side)
            except PictureError as error:
                await _reply(send, 404, str(error).encode(errors="backslashreplace"))
            else:
                await _reply(send, 200, picture, "image/jpeg")

    async def _websocket(self, scope: Any, receive: Receive, send: Send) -> None:
        """Send a state, and the next once the page has painted it and a moment has passed.

        A page that sleeps or is slow misses states; the next that it asks for is the present one.
        """
        await receive()
        has_origin = any(name.lower() == b"origin" for name, _ in scope["headers"])
        is_refused = self._gate.refusal(scope["headers"]) is not None or not has_origin
        if is_refused or scope["path"] != "/live" or not self._gate.has_cookie(scope["headers"]):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        await send({"type": "websocket.accept"})
        selected: str | None = None
        while True:
            state = {**self._board.snapshot(selected), "pictures": self._pictures is not None}
            await send({"type": "websocket.send", "text": json.dumps(state)})
            answer = await receive()
            if answer["type"] != "websocket.receive":
                return
            selected = _selected(answer.get("text"))
            await asyncio.sleep(PAUSE_SECONDS)


def _selected(text: str | None) -> str | None:
    """Return the core that the page asks for: its answer is ``{"core": …}``."""
    try:
        value = json.loads((text or "")[:_MOST_MESSAGE_CHARACTERS])
    except (ValueError, RecursionError):
        return None
    core = value.get("core") if isinstance(value, dict) else None
    return core if isinstance(core, str) else None


async def _reply(
    send: Send, status: int, body: bytes, kind: str = _PLAIN, more: tuple[Any, ...] = ()
) -> None:
    length = (b"content-length", str(len(body)).encode())
    headers = [*_HEADERS, *more, (b"content-type", kind.encode()), length]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"].rpartition(".")[2]
        await send({"type": f"lifespan.{kind}.complete"})
        if kind == "shutdown":
            return
