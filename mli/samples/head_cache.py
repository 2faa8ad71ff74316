"""Metadata of objects that were asked for before: an object never changes under its ETag."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from .stored import StoredObject

_VARIABLES_A_QUERY = 300
_LONGEST_WAIT_SECONDS = 5.0
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS heads (bucket TEXT, key TEXT, etag TEXT, metadata TEXT, "
    "PRIMARY KEY (bucket, key)) WITHOUT ROWID"
)


def cache_file() -> Path:
    """Return where the cache is, by the XDG base directory specification."""
    folder = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(folder).expanduser() / "mli" / "samples.sqlite3"


class HeadCache:
    """A file with metadata by object. Without a disk to write to, nothing is remembered."""

    def __init__(self, file: Path) -> None:
        self._database: sqlite3.Connection | None = None
        with contextlib.suppress(OSError, sqlite3.Error):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = _opened(file)

    def find(self, objects: Iterable[StoredObject]) -> dict[str, Mapping[str, str]]:
        """Return the metadata of those objects that are known, by URI."""
        if self._database is None:
            return {}
        wanted, found = list(objects), {}
        with contextlib.suppress(sqlite3.Error, ValueError):
            for start in range(0, len(wanted), _VARIABLES_A_QUERY):
                part = {(one.bucket, one.key): one for one in wanted[start:][:_VARIABLES_A_QUERY]}
                marks = ",".join("(?,?)" for _ in part)
                rows = self._database.execute(
                    f"SELECT bucket, key, etag, metadata FROM heads WHERE (bucket, key) IN "
                    f"(VALUES {marks})",
                    [text for place in part for text in place],
                )
                for bucket, key, etag, metadata in rows:
                    if part[bucket, key].etag == etag:
                        found[part[bucket, key].uri] = json.loads(metadata)
        return found

    def add(self, heads: Iterable[tuple[StoredObject, Mapping[str, str]]]) -> None:
        """Remember metadata."""
        if self._database is None:
            return
        rows = [(one.bucket, one.key, one.etag, json.dumps(dict(found))) for one, found in heads]
        with contextlib.suppress(sqlite3.Error), self._database:
            self._database.executemany("INSERT OR REPLACE INTO heads VALUES (?,?,?,?)", rows)

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()


def _opened(file: Path) -> sqlite3.Connection:
    """Open the database; one that is damaged is created again, since it can be.

    One that cannot be opened at present may be whole: another process has it, or the disk is full.
    """
    try:
        return _connected(file)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        file.unlink(missing_ok=True)
        return _connected(file)


def _connected(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=_LONGEST_WAIT_SECONDS)
    try:
        database.execute(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database
