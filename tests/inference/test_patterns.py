"""Every pattern of the device code takes linear time, since cameras and peers choose the text."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge_functions import CODE_FOLDER
from inference.redaction import one_line, redacted, redacted_url
from inference.sources.cameras.authentication import Authenticator, Credentials

if sys.version_info < (3, 9):
    pytest.skip("ast.unparse came with Python 3.9", allow_module_level=True)

CPU_SECONDS = 0.1
"""A linear pattern searches the longer text in a thousandth of a second, a quadratic one in 0.3."""

LENGTHS = (512, 8192)
"""The shorter text shows cubic time, which would not finish on the longer one."""

PACKAGE = CODE_FOLDER / "inference"
RE_FUNCTIONS = {"compile", "match", "fullmatch", "search", "sub", "split", "findall", "finditer"}
GIVEN_BY_CALLERS = {"schema.py: pattern", "image_header.py: beginning"}
"""Patterns in variables: the readers of settings take them, and a table of first bytes has them."""

PIECES = [
    *("a", "A", "1", " ", "\t", "\n", ".", "-", ":", "@", "=", "&", "?", "%", "/", "\\", '"', "'"),
    *("a ", "a  ", "a:", "-a:", "a.", "a=", "a =", "a@", 'a="', '\\"', '"\\', "'\"", "(a)", "://"),
    *("a://", "a:b", "a://b:c", "/a", "?a", "key", "key.", "key=", "key =", 'key="', "lib", "W1 H"),
    *("basic ", "a%3a", "&a:b", "a\\ ", "()", "[", "{", "aA", "é", "\0"),
]
ENDS = ["", "!"]


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield each pattern that is written in the package, however it is used, with its place."""
    for path in sorted(PACKAGE.rglob("*.py")):
        relative, text = path.relative_to(CODE_FOLDER), path.read_text()
        if "re." not in text:
            continue
        calls = [
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in RE_FUNCTIONS
        ]
        for call in calls:
            source = ast.unparse(call.args[0])
            if f"{path.name}: {source}" in GIVEN_BY_CALLERS:
                continue
            names = vars(importlib.import_module(".".join(relative.with_suffix("").parts)))
            flags = [
                ast.unparse(one) for one in (*call.args[1:], *(k.value for k in call.keywords))
            ]
            combined = " | ".join(one for one in flags if one.startswith("re.")) or "0"
            compiled = re.compile(eval(source, names), eval(combined, {"re": re}))
            yield f"{path.name}:{call.lineno}", compiled


FOUND = dict(patterns())


def texts(pieces: list[str], length: int) -> Iterator[str]:
    for piece in pieces:
        for end in ENDS:
            yield piece * (length // len(piece)) + end
    for first in pieces[:8]:
        for second in pieces[3:18]:
            yield first * (length // 2) + second * (length // 2)


def require_linear(search: Callable[[str], object], pieces: list[str]) -> None:
    for length in LENGTHS:
        for text in texts(pieces, length):
            started = time.thread_time()
            search(text)
            spent = time.thread_time() - started
            assert spent < CPU_SECONDS, f"{spent:.2f} s for {length} characters {text[:20]!r}…"


@pytest.mark.parametrize("place", FOUND)
def test_a_pattern_searches_any_text_in_linear_time(place: str) -> None:
    pattern = FOUND[place]
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    words = re.findall(r"[A-Za-z]{2,}", source)[:12]
    pieces = [*PIECES, *words, *(f"{word}{sign}" for word in words for sign in ".= :-")]

    def search(text: str) -> None:
        given = text if isinstance(pattern.pattern, str) else b"P5" + text.encode()
        for _ in pattern.finditer(given):
            pass

    require_linear(search, pieces)


@pytest.mark.parametrize("function", [redacted, redacted_url, one_line])
def test_redaction_takes_linear_time(function: Callable[[str], str]) -> None:
    require_linear(function, PIECES)
    require_linear(lambda text: function("rtsp://" + text), PIECES)


def test_a_challenge_takes_linear_time() -> None:
    answering = Authenticator(Credentials("user", "password"))
    require_linear(lambda text: answering.learn([text] * 3), PIECES)
    require_linear(lambda text: answering.learn(['Digest realm="' + text]), PIECES)


def test_patterns_are_found_wherever_they_are_written() -> None:
    files = {place.partition(":")[0] for place in FOUND}
    assert {"redaction.py", "authentication.py", "gstreamer.py", "preflight.py"} <= files
