"""Texts that the code can say, read from its syntax, and lines that the documentation quotes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.stacks.synthesis import ROOT

GAP = "…"
"""Stands for what differs, in a quoted line and in a text of the code."""

_FORMAT = re.compile(r"%[-+ 0-9.]*[sdrifg]")


@cache
def texts(folder: str) -> tuple[str, ...]:
    """Return every text in the Python files below ``folder``, its values replaced by gaps."""
    found = []
    for path in _files(folder):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [text for node in ast.walk(tree) if (text := _text(node))]
    return tuple(found)


def said_by(folder: str, callees: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield place and text of each call of ``callees`` (such as ``warning``) with a text."""
    for path in _files(folder):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in callees:
                text = _text(node.args[0]) if node.args else None
                if text:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def quoted_lines(document: Path, heading: str) -> Iterator[str]:
    """Yield what stands in code marks in the first column of the tables under this ``heading``."""
    inside = False
    for line in document.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if not cells:
            inside = False
        elif cells[0] == heading:
            inside = True
        elif inside:
            yield from re.findall(r"`([^`]+)`", cells[0])


def without_blocks(text: str) -> str:
    """Return a page's prose, without its blocks of code."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)


def fits(line: str, text: str) -> bool:
    """Tell whether the parts of a quoted ``line`` between its gaps stand in ``text``, in order."""
    at = 0
    for part in pieces(line):
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def pieces(line: str) -> list[str]:
    """Return the parts of a quoted line between its gaps."""
    return [part.strip() for part in line.split(GAP) if part.strip(" .,;:()")]


def _files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _name(callee: ast.expr) -> str:
    if isinstance(callee, ast.Attribute):
        return callee.attr
    return callee.id if isinstance(callee, ast.Name) else ""


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _FORMAT.sub(GAP, node.value)
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
        return "".join(str(part) for part in parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return (left or GAP) + (right or GAP) if left or right else None
    return None
