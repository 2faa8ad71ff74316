"""The shell commands of README.md, CONTRIBUTING.md and docs/, read from the pages' text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY as ROOT

TOOLS = ("aws", "cdk", "kill", "make", "mli", "npm", "npx", "openssl", "pip", "pytest", "python",
         "python3", "rm", "scp", "source", "sudo", "uv")  # fmt: skip
"""What a command of the pages begins with."""

GAP = "…"
"""Stands for what the reader fills in."""

_FENCE = re.compile(r"^ *```(\w*)$")
_INLINE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
_ASSIGNMENTS = re.compile(r"^(?:[A-Z][A-Z0-9_]*=\S* +)+")
_REDIRECTION = re.compile(r" > \S+$")
_COMMENT = re.compile(r"\s{2,}#\s.*$")


@dataclass(frozen=True)
class Command:
    """One command, its continued lines joined and without comments."""

    page: str
    line: int
    text: str
    is_quoted: bool = False
    """In a sentence or a table, where a command may be named without its arguments."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {self.text}"

    def simple(self) -> Iterator[list[str]]:
        """Yield the words of each command between ``&&``, without variables before it."""
        for part in _REDIRECTION.sub("", self.text).split("&&"):
            yield shlex.split(_ASSIGNMENTS.sub("", part.strip().removesuffix("&")))


@dataclass(frozen=True)
class Block:
    """Lines of a fenced or an indented block, their common indentation removed."""

    page: str
    line: int
    kind: str
    lines: tuple[str, ...]

    @property
    def is_shell(self) -> bool:
        if self.kind:
            return self.kind == "sh"
        return not self.is_drawing and _is_command(self.lines[0])

    @property
    def is_drawing(self) -> bool:
        return any(re.search(r"[─│]", line) for line in self.lines)

    def commands(self) -> Iterator[Command]:
        """Yield the commands. Where the first line begins with ``$``, others are output."""
        prompt = "$ " if self.lines[0].startswith("$ ") else ""
        number = 0
        while number < len(self.lines):
            first, line = number, self.lines[number]
            while line.endswith("\\"):
                number += 1
                line = line[:-1].rstrip() + " " + self.lines[number].strip()
            number += 1
            text = _COMMENT.sub("", line)
            if text.startswith(prompt) and not text.startswith("#"):
                yield Command(self.page, self.line + first, text.removeprefix(prompt))


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """Return a page's blocks: fenced ones with their kind, and indented ones."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        first = number
        fence = _FENCE.match(lines[number])
        if fence:
            number = next(n for n in range(first + 1, len(lines)) if _FENCE.match(lines[n]))
            body = lines[first + 1 : number]
            found.append(Block(name_of(page), first + 2, fence[1] or "text", tuple(body)))
        elif lines[number].startswith("    ") and not lines[number - 1].strip():
            while number < len(lines) and lines[number].startswith("    "):
                number += 1
            body = lines[first:number]
            indent = min(len(line) - len(line.lstrip()) for line in body)
            found.append(Block(name_of(page), first + 1, "", tuple(line[indent:] for line in body)))
        number += 1
    return found


def commands(page: Path) -> list[Command]:
    """Return the commands of a page's blocks, in their order."""
    return [one for block in blocks(page) if block.is_shell for one in block.commands()]


def inline_commands(page: Path) -> list[Command]:
    """Return the commands, with arguments, that a page's sentences and tables quote."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.kind:
            text = text.replace("\n".join(block.lines), "\n" * (len(block.lines) - 1))
    found = []
    for match in _INLINE.finditer(text):
        quoted = " ".join(match[1].split())
        line = text.count("\n", 0, match.start()) + 1
        if " " in quoted and _is_command(quoted):
            found.append(Command(name_of(page), line, quoted, is_quoted=True))
    return found


def _is_command(line: str) -> bool:
    word = re.match(r"[\w./-]+(?=\s|$)", _ASSIGNMENTS.sub("", line.removeprefix("$ ")))
    return word is not None and word[0] in TOOLS
