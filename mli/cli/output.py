"""What every command prints: progress on stderr, its result on stdout, an error in one line.

A command has three decorators, and gets an ``Output`` as its first argument::

    @click.command(epilog=examples("mli greet World"))
    @click.argument("name")
    @reporting
    def greet(output: Output, name: str) -> None:
        output.say("thinking …")
        output.result({"greeting": f"Hello {name}"}, f"Hello {name}")
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TextIO

import click

from inference.errors import InferenceError
from local_core.errors import LocalCoreError
from local_core.output.terminal import json_line, shown_line, shown_text
from models.errors import DemoModelError

from ..errors import MliError, file_fault, one_line

FAILED = MliError.exit_status
INTERRUPTED = 130

_ROOTS = (MliError, InferenceError, LocalCoreError, DemoModelError)
"""The roots of what the packages below raise when what they were given cannot be used."""

_SECONDS_BETWEEN_LINES = 15
_WIDTH = 100


def examples(*lines: str) -> str:
    """Return a command's epilog with examples, each on a line of its own."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


class Colour(Enum):
    """A colour of a line, by its number for a terminal."""

    FAULT = 31
    NEWS = 36

    def paint(self, text: str) -> str:
        """Return the text between the sequences that switch the colour on and off."""
        return f"\x1b[{self.value}m{text}\x1b[0m"


def has_colours(stream: TextIO) -> bool:
    """Return whether a stream is a terminal whose user wants colours."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not is_plain


def terminal_cells() -> int | None:
    """Return the width of the terminal that stdout is now, or None if it is not one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


class Output:
    """A command's two streams; what is not printable reaches neither, whoever wrote it."""

    def __init__(self, *, as_json: bool, stderr: TextIO | None = None) -> None:
        self._as_json = as_json
        self._stderr = sys.stderr if stderr is None else stderr
        self._shown = ""
        self._shown_at = 0.0

    def say(self, text: str) -> None:
        """Write a line of progress that stays."""
        self._clear()
        _print(shown_text(text), self._stderr)

    def status(self, text: str) -> None:
        """Show the progress of a long step: in place on a terminal, else as occasional lines."""
        if self._stderr.isatty():
            self._clear()
            self._shown = shown_line(one_line(text))[:_WIDTH]
            print(self._shown, end="\r", file=self._stderr, flush=True)
        elif text != self._shown and time.monotonic() - self._shown_at >= _SECONDS_BETWEEN_LINES:
            self._shown, self._shown_at = text, time.monotonic()
            _print(shown_text(text), self._stderr)

    def result(self, values: Mapping[str, Any], text: str) -> None:
        """Write the result to stdout: ``text`` for people, ``values`` with ``--json``."""
        self._write(values, text, None)

    def _write(self, values: Mapping[str, Any], text: str, colour: Colour | None) -> None:
        self._clear()
        if not self._as_json:
            shown = shown_text(text)
            _print(shown if colour is None else colour.paint(shown), sys.stdout)
        elif "utf" in (sys.stdout.encoding or "utf-8").lower():
            _print(json_line(values), sys.stdout)
        else:
            _print(json.dumps(values), sys.stdout)

    def event(self, values: Mapping[str, Any], text: str, colour: Colour | None = None) -> None:
        """Write one of many results, such as each prediction that arrives, on one line.

        A terminal shows it in a colour, unless the user does not want any: https://no-color.org.
        """
        self._write(values, text, colour if has_colours(sys.stdout) else None)

    def _clear(self) -> None:
        if self._shown and self._stderr.isatty():
            print(" " * len(self._shown), end="\r", file=self._stderr)
            self._shown = ""


def _print(text: str, stream: TextIO) -> None:
    """Write a line; a stream that cannot encode a character gets its escape."""
    encoding = stream.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except OSError as error:
        where = "output" if stream is sys.stdout else "error"
        error.filename = error.filename or f"the standard {where}"
        raise


def reporting(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--json`` and an ``Output``, and let it fail in one line.

    A fault is ``NAME: what is wrong`` on stderr with the error's exit status; with ``--json``
    stdout also has ``{"error": …}``. Expected are ``_ROOTS``, ``OSError`` and what boto3 raises.
    Anything else is a bug in this project, and shows its traceback.
    """

    @click.option("--json", "as_json", is_flag=True, help="Write the result as JSON, for scripts.")
    @functools.wraps(command)
    def run(*arguments: Any, as_json: bool, **options: Any) -> None:
        output = Output(as_json=as_json)
        try:
            command(output, *arguments, **options)
        except (KeyboardInterrupt, click.Abort):
            output.say(f"{_name()}: interrupted; repeat the command to continue")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(FAILED)
        except click.ClickException:
            raise
        except Exception as error:
            reason = _reason(error)
            if reason is None:
                raise
            output.say(f"{_name()}: {reason}")
            if as_json:
                with contextlib.suppress(OSError):  # its disk may be full, which the reason says
                    output.result({"error": reason}, "")
            sys.exit(error.exit_status if isinstance(error, MliError) else FAILED)

    return run


def _name() -> str:
    """Return the command as the user called it, such as ``mli redeploy``."""
    context = click.get_current_context(silent=True)
    return context.command_path if context else "mli"


def _reason(error: Exception) -> str | None:
    """Return in one line what went wrong, or None for an exception that is not expected."""
    if isinstance(error, _ROOTS):
        return one_line(str(error))
    if type(error).__module__.split(".")[0] in ("botocore", "boto3", "s3transfer"):
        from ..aws import explain  # loads botocore, which raised this

        return explain(error)
    if isinstance(error, OSError):
        return file_fault(error)
    return None
