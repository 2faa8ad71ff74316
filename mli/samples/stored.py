"""A sample in S3: its object, and what is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from inference.feedback.metadata import Reason
from stacks import names

from ..view.described import Described
from ..view.reasons import strategy_text
from .places import Owner, Place

_UNKNOWN = ""
"""The strategy of a configuration of which only the id is known; that of None keeps all."""


@dataclass(frozen=True)
class StoredObject:
    """An object as S3 lists it."""

    bucket: str
    key: str
    bytes: int
    etag: str
    modified: datetime
    place: Place
    mask: StoredObject | None = None
    """The segmentation beside it, if there is one."""

    @property
    def uri(self) -> str:
        """Its address."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class StoredSample:
    """A sample with its description; ``is_described`` False: only what its key says is known."""

    object: StoredObject
    about: Described
    is_described: bool

    @classmethod
    def of(cls, found: StoredObject, metadata: Mapping[str, str], owner: Owner) -> StoredSample:
        """Return the sample of an object; one without metadata is described by its place."""
        about = Described.of(metadata)
        if about is not None:
            return cls(found, about, True)
        strategies = [(one.id, one.strategy) for one in found.place.configurations]
        reasons = tuple(
            Reason(config_id, chosen.name, None, chosen.limit) if chosen else Reason(config_id)
            for config_id, chosen in strategies
        )
        return cls(found, Described(core=_core_by_key(found, owner), reasons=reasons), False)

    def with_message(self, message: Mapping[str, Any]) -> StoredSample:
        """Return the sample with what its message says, which ``mli watch --save`` has saved."""
        if self.is_described:
            return self
        told = message.get("metadata")
        told = told if isinstance(told, dict) else {}
        scores = message.get("model-prediction")
        config_id = str(message.get("config-id", ""))
        marks = Described.of(
            {"mli": "", "predictions": _scores(scores)} if isinstance(scores, dict) else {"mli": ""}
        )
        about = replace(
            self.about,
            core=str(told.get("core", self.about.core)),
            frame=str(told.get("frame", "")),
            captured=str(told.get("captured-at", "")),
            reasons=tuple(one for one in self.about.reasons if one.config_id == config_id)
            or (Reason(config_id, _UNKNOWN),),
            marks=marks.marks if marks is not None else (),
        )
        return replace(self, about=about)

    @property
    def moment(self) -> datetime:
        """When its frame was captured, in UTC; if that is not known, when it was stored."""
        try:
            found = datetime.fromisoformat(self.about.captured)
            return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            return self.object.modified

    @property
    def model(self) -> str:
        """The model's name and the beginning of its digest."""
        return " ".join(filter(None, (self.about.model, self.about.model_sha256[:12])))

    def why(self) -> list[str]:
        """Return each strategy that kept it, with its value and its limit; else only the id."""
        return [
            one.config_id
            if one.strategy == _UNKNOWN
            else f"{one.config_id}: {strategy_text(one.strategy, one.value, one.limit)}"
            for one in self.about.reasons
        ]

    def to_json(self) -> dict[str, Any]:
        """Return everything that is known, for scripts."""
        about = self.about
        return {
            "uri": self.object.uri,
            "bytes": self.object.bytes,
            "mask": self.object.mask.uri if self.object.mask is not None else None,
            "stored": self.object.modified.isoformat(),
            "described": self.is_described,
            "core": about.core,
            "frame": about.frame,
            "captured": about.captured,
            "source": about.source,
            "size": about.size,
            "model": about.model,
            "modelSha256": about.model_sha256,
            "configuration": about.configuration,
            "reasons": [one._asdict() for one in about.reasons],
            "predictions": [
                {"label": mark.label, "score": mark.score, "box": mark.box} for mark in about.marks
            ],
            "predictionsLeftOut": about.left_out,
        }


def _core_by_key(found: StoredObject, owner: Owner) -> str:
    """Return the core by the folder of its thing, which only a fleet's samples have."""
    if owner.core or not found.place.configurations:
        return owner.core
    below = found.key[len(found.place.prefix) :].lstrip("/").partition("/")[0]
    return names.core_of_thing(below) or ""


def _scores(values: Mapping[str, Any]) -> str:
    best = sorted(
        ((label, score) for label, score in values.items() if isinstance(score, int | float)),
        key=lambda item: -item[1],
    )
    return json.dumps([[label, score] for label, score in best])
