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
from urllib.parse import parse_qs

from .background import in_thread
from .board import Board
from .controls import ChangeRefusedError, Controls
from .gate import Gate, has_origin
from .pictures import LONGEST_SIDE, SMALL_SIDE, PictureError, Pictures, reduced

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

PAUSE_SECONDS = 0.25
"""Between two states for one page: what a person can follow, whatever the cores publish."""
_FILES: Mapping[str, tuple[str, str]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/picture.js": ("picture.js", "text/javascript; charset=utf-8"),
    "/settings.js": ("settings.js", "text/javascript; charset=utf-8"),
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
_MOST_BODY_BYTES = 16_384
_POLICY_VIOLATION = 1008


class Application:
    """Serves one page to any number of tabs."""

    def __init__(
        self, board: Board, gate: Gate, pictures: Pictures | None, controls: Controls
    ) -> None:
        """Without ``pictures`` there are no AWS credentials to fetch samples with."""
        self._board = board
        self._controls = controls
        self._gate = gate
        self._pictures = pictures

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)

    async def _http(self, scope: Any, receive: Receive, send: Send) -> None:
        refusal = self._gate.refusal(scope["headers"])
        if refusal is not None:
            await _reply(send, 403, refusal.encode())
        elif scope["method"] == "POST" and scope["path"] == "/settings":
            await self._change(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await _reply(send, 405, b"this method is not allowed here")
        elif scope["path"] == "/" and (cookie := self._gate.traded(scope["query_string"])):
            more = ((b"location", b"/"), (b"set-cookie", cookie.encode()))
            await _reply(send, 303, b"", more=more)
        elif not self._gate.has_cookie(scope["headers"]):
            await _reply(send, 403, b"open the address that `mli view` printed, with its token")
        else:
            await self._serve(scope["path"], send)

    async def _change(self, scope: Any, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        if not self._gate.has_cookie(headers) or not self._gate.may_change(headers):
            await _reply(send, 403, b"only the page itself may change settings")
            return
        wanted = _object(await _body(receive))
        if wanted is None:
            await _reply(send, 400, b"the request must be an object of JSON")
            return
        core, base = str(wanted.get("core")), str(wanted.get("base"))
        try:
            threshold, on = wanted.get("threshold"), wanted.get("on")
            await in_thread(lambda: self._controls.apply(core, base, threshold, on))
        except ChangeRefusedError as error:
            await _reply(send, 409, str(error).encode(errors="backslashreplace"))
        else:
            await _reply(send, 202, b"deployed")

    async def _serve(self, path: str, send: Send) -> None:
        if path in _FILES:
            name, kind = _FILES[path]
            await _reply(send, 200, (_FOLDER / name).read_bytes(), kind)
            return
        match = _PICTURE.fullmatch(path)
        if match is None:
            await _reply(send, 404, b"there is no such page")
            return
        identity, side = int(match[1]), SMALL_SIDE if match[2] else LONGEST_SIDE
        try:
            picture = await in_thread(lambda: self._picture(identity, side))
        except PictureError as error:
            await _reply(send, 404, str(error).encode(errors="backslashreplace"))
        else:
            if picture is None:
                await _reply(send, 410, b"this picture is not shown any more")
            else:
                await _reply(send, 200, picture, "image/jpeg")

    def _picture(self, identity: int, side: int) -> bytes | None:
        """Return a live picture or that of a sample; None if a newer one has its place.

        Raises:
            PictureError: if it cannot be shown.
        """
        live = self._board.live_picture(identity)
        if live is not None:
            return reduced(live, side)
        uri = self._board.uri_of(identity)
        if uri is None:
            return None
        if self._pictures is None:
            raise PictureError("pictures of samples need AWS credentials")
        return self._pictures.get(uri, side)

    async def _websocket(self, scope: Any, receive: Receive, send: Send) -> None:
        """Send a state, and the next once the page has painted it and a moment has passed.

        A page that sleeps or is slow misses states; the next that it asks for is the present one.
        """
        await receive()
        headers = scope["headers"]
        is_refused = self._gate.refusal(headers) is not None or not has_origin(headers)
        if is_refused or scope["path"] != "/live" or not self._gate.has_cookie(headers):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        await send({"type": "websocket.accept"})
        selected = _asked_first(scope["query_string"])
        while True:
            await send({"type": "websocket.send", "text": json.dumps(self._state(selected))})
            answer = await receive()
            if answer["type"] != "websocket.receive":
                return
            selected = _selected(answer.get("text"))
            await asyncio.sleep(PAUSE_SECONDS)

    def _state(self, selected: str | None) -> dict[str, Any]:
        state = self._board.snapshot(selected)
        core = state["core"]
        controls = core and self._controls.state(core["name"], core["configuration"])
        return {
            **state,
            "pictures": self._pictures is not None,
            "controls": controls,
            "form": self._gate.form_token,
        }


def _selected(text: str | None) -> str | None:
    """Return the core that the page asks for: its answer is ``{"core": …}``."""
    value = _object((text or "")[:_MOST_MESSAGE_CHARACTERS])
    core = value.get("core") if value is not None else None
    return core if isinstance(core, str) else None


def _asked_first(query: bytes) -> str | None:
    """Return the core that the page asks for before it answers: ``core=…`` in its address."""
    found = parse_qs(query[:_MOST_MESSAGE_CHARACTERS].decode("latin-1")).get("core")
    return found[0] if found else None


def _object(text: str | bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


async def _body(receive: Receive) -> bytes:
    """Return the body of a request; empty if it is too long."""
    body, is_more = b"", True
    while is_more:
        message = await receive()
        is_more = message["type"] == "http.request" and message.get("more_body", False)
        body += message.get("body", b"")
        if len(body) > _MOST_BODY_BYTES:
            return b""
    return body


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
