"""The list of a fleet's cores, as CSV or YAML, checked as a whole."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from inference import schema
from inference.names import CORE_NAME_PATTERN

from ..device.certificates.keyfiles import load_request, public_bytes
from ..errors import MliError
from ..strict_yaml import strict_yaml_of_texts

_NAME = "coreName"
_REQUEST = "certificateSigningRequest"
_PLAIN = (_NAME, _REQUEST)
_ATTRIBUTE_PREFIX = "attribute."
_ATTRIBUTE = re.compile(r"[a-zA-Z0-9_.,@/:#-]{1,800}")
_ATTRIBUTE_NAME = re.compile(r"[a-zA-Z0-9_.,@/:#-]{1,128}")
_MAX_ATTRIBUTES = 3
"""More need a thing type: https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""

_MOST_SHOWN = 20


@dataclass(frozen=True)
class FleetCore:
    """One core: its name, its signing request if its key is on the device, its attributes."""

    name: str
    request: Path | None
    attributes: Mapping[str, str]


class _Row(NamedTuple):
    """What the list has for one core, and where; ``faults`` are those of its form."""

    where: str
    values: Mapping[str, Any]
    faults: Sequence[str] = ()


def read_list(file: Path) -> list[FleetCore]:
    """Read a list of cores; ``.yaml`` and ``.yml`` are YAML, everything else is CSV.

    Columns, or keys: ``coreName``; ``certificateSigningRequest``, a path from the list's folder;
    ``attribute.NAME``, an attribute of the thing.

    Raises:
        MliError: naming every fault of every line.
    """
    rows = list(_yaml_rows(file) if file.suffix in (".yaml", ".yml") else _csv_rows(file))
    faults: list[str] = []
    seen: dict[str, str] = {}
    keys: dict[bytes, str] = {}
    cores = []
    for where, values, of_form in rows:
        core, key, found = _core(values, file.parent)
        if core is not None:
            # Names of stacks and files may be case-insensitive.
            if first := seen.get(core.name.lower()):
                found.append(f"coreName={core.name!r} is already in {first}")
            seen.setdefault(core.name.lower(), where)
            cores.append(core)
        if key is not None and (first := keys.setdefault(key, where)) != where:
            found.append(f"certificateSigningRequest is for the key of {first}")
        faults += [f"{where}: {fault}" for fault in (*of_form, *found)]
    if not rows:
        faults.append("no cores: it needs a line coreName, and a line for each core")
    if faults:
        more = f"; and {len(faults) - _MOST_SHOWN} more" if len(faults) > _MOST_SHOWN else ""
        raise MliError(f"{file}: " + "; ".join(faults[:_MOST_SHOWN]) + more)
    return cores


def _csv_rows(file: Path) -> Iterator[_Row]:
    with file.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.DictReader(opened, skipinitialspace=True)
        try:
            while reader.fieldnames == []:  # an empty line
                reader.fieldnames = None
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames, head = columns, f"line {reader.line_num}"
            if faults := _column_faults(columns):
                yield _Row(head, {}, faults)
            for row in reader if _NAME in columns else ():
                rest = row.pop(None, None)
                if not any(map(str.strip, filter(None, row.values()))) and not rest:
                    continue  # a line of commas, as spreadsheets write empty ones
                known = {key: row[key] for key in row if not key or _is_known(key)}
                too_many = [f"has more values than {head}"] if rest else []
                yield _Row(f"line {reader.line_num}", known, too_many)
        except (csv.Error, UnicodeDecodeError) as error:
            raise MliError(f"{file} is not CSV in UTF-8: {error}") from None


def _column_faults(columns: Sequence[str]) -> list[str]:
    """Return what is wrong with the line that names the columns, once for all lines."""
    faults = []
    for name in dict.fromkeys(filter(None, columns)):
        if not _is_known(name):
            attribute = _ATTRIBUTE_PREFIX + name.partition(".")[2]
            near = schema.nearest(name, (*_PLAIN, attribute), cutoff=0.5)
            faults.append(f"unknown column {name!r}" + (f"; did you mean {near}?" if near else ""))
        if columns.count(name) > 1:
            faults.append(f"there are {columns.count(name)} columns {name}")
    if columns and _NAME not in columns:
        faults.append(f"there is no column {_NAME}: this line names the columns, between commas")
    return faults


def _is_known(column: str) -> bool:
    return column in _PLAIN or column.startswith(_ATTRIBUTE_PREFIX)


def _yaml_rows(file: Path) -> Iterator[_Row]:
    try:
        document = strict_yaml_of_texts(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MliError(f"{file} is not YAML: {error}") from None
    items = document.get("cores") if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise MliError(f"{file} is not a list of cores, nor an object with the list `cores`")
    for number, item in enumerate(items, 1):
        if isinstance(item, str):
            item = {"coreName": item}
        where = f"core {number}"
        if not isinstance(item, dict):
            yield _Row(where, {}, ["is neither a name nor an object"])
            continue
        given = item.get("attributes") or {}
        flat = {str(key): value for key, value in item.items() if key != "attributes"}
        if isinstance(given, dict):
            attributes = {f"{_ATTRIBUTE_PREFIX}{name}": value for name, value in given.items()}
            twice = sorted(flat.keys() & attributes)
            faults = [f"{key} is also in attributes: remove one of them" for key in twice]
            yield _Row(where, flat | attributes, faults)
        else:
            yield _Row(where, flat, ["attributes is not an object"])


def _core(row: Mapping[str, Any], folder: Path) -> tuple[FleetCore | None, bytes | None, list[str]]:
    """Return the core of one row, the public key of its request, and what is wrong with it."""
    given = {key: str(value).strip() for key, value in row.items() if value is not None}
    values = {key: text for key, text in given.items() if text}
    plain = {k: v for k, v in values.items() if not k.startswith(_ATTRIBUTE_PREFIX)}
    faults = [str(fault) for fault in schema.unknown_keys(plain, _PLAIN)]
    attributes = {k.removeprefix(_ATTRIBUTE_PREFIX): v for k, v in values.items() if k not in plain}
    for name, value in attributes.items():
        if not _ATTRIBUTE_NAME.fullmatch(name) or not _ATTRIBUTE.fullmatch(value):
            faults.append(f"{_ATTRIBUTE_PREFIX}{name}={value!r}: only letters, digits, _.,@/:#-")
    if len(attributes) > _MAX_ATTRIBUTES:
        faults.append(f"a thing without a type has at most {_MAX_ATTRIBUTES} attributes")
    request = key = None
    if text := plain.get(_REQUEST):
        request = folder / text
        try:
            key = public_bytes(load_request(request.read_bytes(), str(request)).public_key())
        except (OSError, MliError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            faults.append(f"certificateSigningRequest={text!r}: {reason}")
    name = plain.get(_NAME, "")
    if not re.fullmatch(CORE_NAME_PATTERN, name):
        rule = "must be letters, digits, - and _, at most 64, the first a letter or digit"
        return None, key, [*faults, f"coreName={name!r} {rule}"] if row else faults
    return FleetCore(name, request, attributes), key, faults
