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
            for row in reader:
                too_many = ["has more values than line 1"] if row.pop(None, None) else []
                yield _Row(f"line {reader.line_num}", row, too_many)
        except (csv.Error, UnicodeDecodeError) as error:
            raise MliError(f"{file} is not CSV in UTF-8: {error}") from None


def _yaml_rows(file: Path) -> Iterator[_Row]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
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
            flat |= {f"{_ATTRIBUTE_PREFIX}{name}": value for name, value in given.items()}
            yield _Row(where, flat)
        else:
            yield _Row(where, flat, ["attributes is not an object"])


def _core(row: Mapping[str, Any], folder: Path) -> tuple[FleetCore | None, bytes | None, list[str]]:
    """Return the core of one row, the public key of its request, and what is wrong with it."""
    values = {key: str(value).strip() for key, value in row.items() if value not in (None, "")}
    plain = {k: v for k, v in values.items() if not k.startswith(_ATTRIBUTE_PREFIX)}
    known = ["coreName", "certificateSigningRequest"]
    faults = [str(fault) for fault in schema.unknown_keys(plain, known)]
    attributes = {k.removeprefix(_ATTRIBUTE_PREFIX): v for k, v in values.items() if k not in plain}
    for name, value in attributes.items():
        if not _ATTRIBUTE_NAME.fullmatch(name) or not _ATTRIBUTE.fullmatch(value):
            faults.append(f"{_ATTRIBUTE_PREFIX}{name}={value!r}: only letters, digits, _.,@/:#-")
    if len(attributes) > _MAX_ATTRIBUTES:
        faults.append(f"a thing without a type has at most {_MAX_ATTRIBUTES} attributes")
    request = key = None
    if text := plain.get("certificateSigningRequest"):
        request = folder / text
        try:
            key = public_bytes(load_request(request.read_bytes(), str(request)).public_key())
        except (OSError, MliError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            faults.append(f"certificateSigningRequest={text!r}: {reason}")
    name = plain.get("coreName", "")
    if not re.fullmatch(CORE_NAME_PATTERN, name):
        rule = "must be letters, digits, - and _, at most 64, the first a letter or digit"
        return None, key, [*faults, f"coreName={name!r} {rule}"] if row else faults
    return FleetCore(name, request, attributes), key, faults
