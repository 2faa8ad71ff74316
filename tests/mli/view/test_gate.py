"""Which requests the page's server answers."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, RejectConnection, Request

from mli.errors import MliError
from mli.view.gate import Gate
from mli.view.server import Server

from .conftest import CUP, Viewed

FOREIGN: tuple[Mapping[str, str], ...] = (
    {"Host": "evil.example:{port}"},
    {"Host": "127.0.0.1"},
    {"Host": "127.0.0.1:1"},
    {"Host": "127.0.0.1.evil.example:{port}"},
    {"Host": "localhost:{port}@evil.example"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:{port}"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)


def get(
    viewed: Viewed,
    path: str,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    body: bytes | None = None,
) -> tuple[int, Mapping[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", viewed.server.port, timeout=20)
    filled = {k: v.format(port=viewed.server.port) for k, v in (headers or {}).items()}
    connection.request(method, path, body, filled)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def entrance(viewed: Viewed) -> str:
    return f"/?{urlsplit(viewed.server.address).query}"


def cookie(viewed: Viewed) -> dict[str, str]:
    status, headers, _ = get(viewed, entrance(viewed))
    assert status == 303
    return {"Cookie": headers["set-cookie"].partition(";")[0]}


def test_token_is_traded_for_a_cookie_of_this_run(viewed: Viewed) -> None:
    status, headers, _ = get(viewed, entrance(viewed))
    assert (status, headers["location"]) == (303, "/")
    assert headers["set-cookie"].endswith("; HttpOnly; SameSite=Strict; Path=/")
    assert get(viewed, "/", cookie(viewed))[0] == 200
    with Server(viewed.board, None) as other:
        assert other.address.split("token=")[1] != viewed.server.address.split("token=")[1]


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", "/page.js", "/pictures/1"])
def test_without_the_token_there_is_nothing(viewed: Viewed, path: str) -> None:
    status, headers, content = get(viewed, path)
    assert status == 403
    assert "set-cookie" not in headers
    assert b"its token" in content


@pytest.mark.parametrize("value", ["a=b", "mli-view=1", "; ;", 'x="', "\u00fc=1"])
def test_a_wrong_cookie_is_refused(viewed: Viewed, value: str) -> None:
    assert get(viewed, "/", {"Cookie": value})[0] == 403


@pytest.mark.parametrize("other", ['seen=["a", 1]', "at=Thu, 01 Jan", 'x="', "a b=3", "\u00fc=1"])
def test_cookies_of_other_programs_of_this_machine_do_not_matter(
    viewed: Viewed, other: str
) -> None:
    """Browsers share them between ports, and so also those that Python's own parser refuses."""
    own = cookie(viewed)["Cookie"]
    for both in (f"{other}; {own}", f"{own}; {other}"):
        assert get(viewed, "/", {"Cookie": both})[0] == 200


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_other_sites_and_names_are_refused_even_with_the_token(
    viewed: Viewed, headers: Mapping[str, str]
) -> None:
    assert get(viewed, entrance(viewed), headers)[0] == 403
    assert get(viewed, "/", {**cookie(viewed), **headers})[0] == 403


@pytest.mark.parametrize(
    ("port", "host", "is_own"),
    [(80, b"127.0.0.1", True), (80, b"localhost:80", True), (80, b"::1", False),
     (81, b"127.0.0.1", False), (81, b"127.0.0.1:81", True)],
)  # fmt: skip
def test_browsers_leave_the_port_of_http_out(port: int, host: bytes, is_own: bool) -> None:
    headers = [(b"host", host), (b"origin", b"http://" + host)]
    assert (Gate(port).refusal(headers) is None) == is_own


def test_every_answer_has_the_policy(viewed: Viewed) -> None:
    for path in ("/", "/page.js", "/nothing", "/pictures/999"):
        _, headers, _ = get(viewed, path, cookie(viewed))
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/../gate.py", "/style.css/", "/pictures/-1", "/pictures/1/large"]
)
def test_there_are_no_other_paths(viewed: Viewed, path: str) -> None:
    assert get(viewed, path, cookie(viewed))[0] == 404


def test_a_picture_that_is_not_shown_any_more_is_gone(viewed: Viewed) -> None:
    assert get(viewed, "/pictures/999999999", cookie(viewed))[0] == 410


def test_only_get_is_allowed(viewed: Viewed) -> None:
    assert get(viewed, "/", cookie(viewed), "POST")[0] == 405


def changing(viewed: Viewed) -> dict[str, str]:
    """Return the headers with which the page changes settings."""
    own = {"Origin": "http://127.0.0.1:{port}", "X-Mli-View": viewed.server._gate.form_token}
    return {**cookie(viewed), **own}


@pytest.mark.parametrize("lacking", ["Cookie", "Origin", "X-Mli-View"])
def test_only_the_page_itself_changes_settings(viewed: Viewed, lacking: str) -> None:
    headers = changing(viewed)
    status, _, content = get(viewed, "/settings", headers, "POST", b"{}")
    assert (status, b"AWS credentials" in content) == (409, True)
    del headers[lacking]
    assert get(viewed, "/settings", headers, "POST", b"{}")[0] == 403


@pytest.mark.parametrize("foreign", [*FOREIGN, {"X-Mli-View": "wrong"}, {"Cookie": "a=b"}], ids=str)
def test_other_sites_change_nothing(viewed: Viewed, foreign: Mapping[str, str]) -> None:
    headers = {**changing(viewed), **foreign}
    assert get(viewed, "/settings", headers, "POST", b"{}")[0] == 403


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 9_000, b"x" * 20_000])
def test_a_change_that_is_no_object_is_refused(viewed: Viewed, body: bytes) -> None:
    assert get(viewed, "/settings", changing(viewed), "POST", body)[0] == 400


def test_an_object_that_is_no_image_is_not_passed_on(viewed: Viewed) -> None:
    viewed.predict(1, CUP)
    viewed.keep(1, "LC50", [0.4], "coffee.jpg")
    uri = next(iter(viewed.objects))
    viewed.objects[uri] = b"<script>alert(1)</script>"
    [sample] = viewed.board.snapshot(None)["core"]["samples"]
    status, headers, content = get(viewed, f"/pictures/{sample['id']}", cookie(viewed))
    assert status == 404
    assert headers["content-type"].startswith("text/plain")
    assert b"it is not an image" in content
    del viewed.objects[uri]
    assert get(viewed, f"/pictures/{sample['id']}", cookie(viewed))[0] == 404


@pytest.mark.parametrize(
    ("origin", "with_cookie", "is_open"),
    [("http://127.0.0.1:{port}", True, True), ("http://127.0.0.1:{port}", False, False),
     ("https://evil.example", True, False), (None, True, False)],
)  # fmt: skip
def test_live_state_is_for_the_page_only(
    viewed: Viewed, origin: str | None, with_cookie: bool, is_open: bool
) -> None:
    given = cookie(viewed) if with_cookie else {}
    port = viewed.server.port
    headers = [(name.encode(), value.encode()) for name, value in given.items()]
    if origin is not None:
        headers.append((b"Origin", origin.format(port=port).encode()))

    peer = WSConnection(ConnectionType.CLIENT)
    request = Request(host=f"127.0.0.1:{port}", target="/live", extra_headers=headers)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as opened:
        opened.sendall(peer.send(request))
        peer.receive_data(opened.recv(4096))
    kind = AcceptConnection if is_open else RejectConnection
    assert isinstance(next(peer.events()), kind)


def test_a_taken_port_is_named(viewed: Viewed) -> None:
    with pytest.raises(MliError, match=rf"--port {viewed.server.port}: .*choose another port"):
        Server(viewed.board, None, port=viewed.server.port)
