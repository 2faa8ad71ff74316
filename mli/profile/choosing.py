"""Chooses the profile of a model: from what its file says, from its outputs, or by the user."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from inference.model.profiles.profile import ModelProfile, load_profile
from inference.vision.decoders import UnfitOutputsError
from inference.vision.decoders.interface import described

from ..cli.output import Output
from ..errors import MliError
from .asked import Asked
from .built_in import built_in_for, built_in_values
from .classifying import CLASSIFICATION, check_is_no_embedding, output_of_classifier
from .engine import Engine
from .fitting import Fitting, Returned, is_count_of, needs_of, needs_of_all, output_of, spec_of
from .inputs import input_of
from .inspection import Inspection
from .metadata import ExportMetadata, metadata_of
from .opening import stem_of
from .proposal import Preprocessing, Usual, profile_name, profile_values, usual_of_preset
from .trial import Trial, try_profile
from .writing import write_profile

_NAMED = 12


@dataclass(frozen=True)
class Proposal:
    """The values of a profile, the names of its classes, and what it found in the photograph.

    ``trial`` is None for a model that cannot run on this machine.
    """

    values: Mapping[str, Any]
    labels: Sequence[str] | None
    trial: Trial | None = None
    input_is: str = "proposed, not known"


@dataclass
class Chooser:
    """Proposes a profile for a model that has none of its own, and tries it."""

    output: Output
    found: Inspection
    asked: Asked
    engine: Engine
    metadata: ExportMetadata | None = field(init=False)

    def __post_init__(self) -> None:
        self.metadata = metadata_of(self.found.properties)

    def propose(self) -> Proposal:
        """Return the only profile that is certain to read the outputs, with a trial of it.

        Raises:
            MliError: in one line, if no preset reads the outputs, or several with different
                meanings do, or labels are not as many as the classes.
            ModelError: if the model cannot be run.
        """
        size = self.metadata.size if self.metadata is not None else None
        spec = input_of(self.found.inputs, self.asked, size)
        if self.asked.preset:
            return self._by_preset(spec, self.asked.preset)
        if self.metadata is not None:
            return self._by_metadata(spec, self.metadata)
        proposal = self._by_built_in(spec)
        if proposal is not None:
            return proposal
        fitting = self._fitting(spec)
        if all(_kind(one) == "classification" for one in fitting):
            return self._classifier(spec, fitting[0])
        if len(fitting) > 1:
            self._refuse_to_guess(spec, fitting)
        [only] = fitting
        self.output.say(f"looks like {only}{_of_classes(only.classes, 'with')}")
        return self._of_family(spec, only)

    def _by_preset(self, spec: dict[str, Any], preset: str) -> Proposal:
        profile = self._profile(spec, output_of(preset), usual_of_preset(preset), None)
        returned = self._returned(profile)
        try:
            fitting = returned.fitting_preset(profile, preset)
        except UnfitOutputsError as error:
            raise self._unfit(profile, preset, returned, error.reason) from None
        labels = self.asked.labels
        agrees = labels is None or is_count_of(len(labels), fitting.classes, _kind(fitting))
        if not agrees and not fitting.is_usual:  # whose classes are not a fact about the model
            raise self._unfit(profile, preset, returned)
        return self._of_family(spec, fitting)

    def _unfit(
        self, profile: ModelProfile, preset: str, returned: Returned, reason: str = ""
    ) -> MliError:
        """Return the error for a preset that does not read the outputs, with the ``reason``."""
        labels = None if self.asked.labels is None else tuple(self.asked.labels)
        needs = needs_of(preset, replace(profile, labels=labels))
        others = [
            name
            for one in returned.fitting(profile)
            if labels is None or is_count_of(len(labels), one.classes, _kind(one))
            for name in one.presets
        ]
        advice = f"; presets that read such outputs: {_listed(others)}" if others else ""
        why = f" ({reason})" if reason else ""
        return MliError(
            f"{self.asked.path}: preset {preset} needs {needs}, the model returns "
            f"{described(returned.arrays, returned.names)}{why}{advice}"
        )

    def _of_family(self, spec: dict[str, Any], fitting: Fitting) -> Proposal:
        labels = self._labels(fitting.classes)
        proposal = self._tried(spec, fitting.output, fitting.usual, labels)
        if not fitting.usual.input:
            return proposal
        return replace(proposal, input_is=f"usual for {fitting.presets[0]}, not known")

    def _by_built_in(self, spec: dict[str, Any]) -> Proposal | None:
        """Propose the built-in profile whose model has the same input, outputs and classes."""
        profile = self._profile(spec, CLASSIFICATION, Usual(), None)
        name = built_in_for(spec, self._names(), lambda: self._returned(profile))
        if name is None:
            return None
        own = load_profile(name).labels
        labels = self.asked.labels or own
        if own is None or labels is None or len(labels) != len(own):
            return None
        values = {**built_in_values(name), "name": profile_name(stem_of(self.asked.path.resolve()))}
        trial = None
        if self.found.runs_here:
            with tempfile.TemporaryDirectory(prefix="profile-") as work:
                profile = write_profile(Path(work) / "profile.json", values, labels)
            trial = try_profile(profile, self.engine, self._names(), self.asked.pixels)
            if trial.refuted:
                return None
        self.output.say(f"its input and outputs are those of the built-in profile {name}")
        return Proposal(values, labels, trial, f"as in {name}, not known")

    def _by_metadata(self, spec: dict[str, Any], metadata: ExportMetadata) -> Proposal:
        usual = Usual(metadata.input_fields(), metadata.general_fields())
        profile = self._profile(spec, CLASSIFICATION, usual, None)
        shapes = [one.shape for one in self._returned(profile).arrays]
        output = metadata.output_fields(shapes)
        count = len(metadata.labels)
        self.output.say(
            f"the file says: {metadata.model or 'Ultralytics'}, task {metadata.task}, "
            f"{count} classes"
        )
        labels = self._labels(count) or metadata.labels
        return replace(self._tried(spec, output, usual, labels), input_is="as it was exported")

    def _classifier(self, spec: dict[str, Any], fitting: Fitting) -> Proposal:
        """Propose a classifier; whether it returns probabilities is seen in its scores."""
        labels = self._labels(fitting.classes)
        returned = self._returned(self._profile(spec, CLASSIFICATION, Usual(), None))
        scores = returned.scores(fitting)
        if labels is None:
            check_is_no_embedding(self.asked.path, returned, scores, self.found.features)
        if not self.found.runs_here:
            self.output.say("proposed, not known: the scores are logits")
            return self._tried(spec, CLASSIFICATION, Usual(), labels)
        output = output_of_classifier(self.asked.path, returned, scores, self._scale())
        several = ", several at once" if "multiLabel" in output else ""
        self.output.say(
            f"looks like a classifier{_of_classes(fitting.classes, 'of')}{several}; it returns "
            f"{output['activation']}"
        )
        if labels is None and output["activation"] == "logits":
            self.output.say("an embedding, which no profile describes, may look the same")
        return self._tried(spec, output, Usual(), labels)

    def _fitting(self, spec: dict[str, Any]) -> list[Fitting]:
        """Return what the outputs may mean, with as many classes as there are labels."""
        profile = self._profile(spec, CLASSIFICATION, Usual(), None)
        returned = self._returned(profile)
        fitting = returned.fitting(profile)
        outputs = described(returned.arrays, returned.names)
        path, labels = self.asked.path, self.asked.labels
        if not fitting:
            named = profile if labels is None else self._profile(
                spec, CLASSIFICATION, Usual(), labels
            )  # fmt: skip
            raise MliError(f"{path}: no preset reads its outputs {outputs}: {needs_of_all(named)}")
        if labels is None:
            return fitting
        left = [one for one in fitting if is_count_of(len(labels), one.classes, _kind(one))]
        if all(spec_of(one.presets[0]).angle for one in left):  # or a label is missing
            counts = ", ".join(f"{one.classes} as {one.presets[0]}" for one in fitting[:_NAMED])
            advice = "; if its boxes are turned, add --preset yolo-obb" if left else ""
            raise MliError(
                f"--labels {self.asked.labels_file}: has {len(labels)} lines, but the outputs "
                f"{outputs} have these numbers of classes: {counts}{advice}"
            )
        return left

    def _refuse_to_guess(self, spec: dict[str, Any], fitting: Sequence[Fitting]) -> None:
        """Show what each meaning finds in the photograph, and raise."""
        self.output.say(f"its outputs have several meanings; in {self.asked.photograph} they are:")
        names: list[str] = []
        for one in fitting:
            line = f"  {one}{_of_classes(one.classes, 'with')}"
            labels = self.asked.labels
            trial = self._tried(spec, one.output, one.usual, labels, strict=False).trial
            self.output.say(line if trial is None else f"{line}: {trial}")
            names += [one.presets[0]] if trial is None or not trial.refuted else []
        if not names:
            raise MliError(f"{self.asked.path}: no preset reads its outputs: see the lines above")
        more = "" if self.asked.labels else "; --labels FILE leaves those with as many classes"
        raise MliError(
            f"{self.asked.path}: its outputs may be those of {_listed(names)}: say which family "
            f"the model is of with --preset NAME (docs/profiles.md#families){more}"
        )

    def _labels(self, classes: int | None) -> Sequence[str] | None:
        """Return the given labels, or the file's own, if there are as many as classes."""
        given, own = self.asked.labels, self.metadata.labels if self.metadata else None
        if given is None:
            return own if own is not None and classes in (None, len(own)) else None
        if not is_count_of(len(given), classes, "classification" if classes == 1 else ""):
            raise MliError(
                f"--labels {self.asked.labels_file}: has {len(given)} lines, "
                f"but the model has {classes} classes"
            )
        return given

    def _tried(
        self, spec: dict[str, Any], output: Mapping[str, Any], usual: Usual,
        labels: Sequence[str] | None, *, strict: bool = True,
    ) -> Proposal:  # fmt: skip
        output = {**output, **self._scale()}
        values = self._values(spec, output, usual)
        if not self.found.runs_here:
            return Proposal(values, labels)
        profile = self._profile(spec, output, usual, labels)
        trial = try_profile(profile, self.engine, self._names(), self.asked.pixels)
        if strict and trial.refuted:
            form = " ".join(str(output[key]) for key in ("preset", "kind") if key in output)
            raise MliError(f"{self.asked.path}: it is not of {form}: {trial.note}")
        return Proposal(values, labels, trial)

    def _scale(self) -> dict[str, float]:
        """Return the fields of outputs that are whole numbers; none if they differ in them."""
        known = set(self.found.quantised.values())
        return dict(zip(("scale", "zeroPoint"), *known, strict=True)) if len(known) == 1 else {}

    def _returned(self, profile: ModelProfile) -> Returned:
        if self.found.runs_here:
            arrays, _ = self.engine.run(profile.input, self.asked.pixels)
        else:
            arrays = [
                np.zeros([extent or 0 for extent in one.shape], one.dtype)
                for one in self.found.outputs
            ]
        found = self.found
        return Returned(arrays, self._names(), found.outputs, found.unlimited, found.exclusive)

    def _names(self) -> Sequence[str]:
        return self.found.output_names

    def _values(
        self, spec: dict[str, Any], output: Mapping[str, Any], usual: Usual
    ) -> dict[str, Any]:
        stem = stem_of(self.asked.path.resolve())
        return profile_values({"input": spec}, Preprocessing(), stem, output=output, usual=usual)

    def _profile(
        self, spec: dict[str, Any], output: Mapping[str, Any], usual: Usual,
        labels: Sequence[str] | None,
    ) -> ModelProfile:  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="profile-") as work:
            file = Path(work) / "profile.json"
            return write_profile(file, self._values(spec, output, usual), labels)


def _of_classes(count: int | None, word: str) -> str:
    return f" {word} {count} class{'' if count == 1 else 'es'}" if count else ""


def _kind(fitting: Fitting) -> str:
    return spec_of(fitting.presets[0]).kind


def _listed(presets: Sequence[str]) -> str:
    more = ", …" if len(presets) > _NAMED else ""
    return ", ".join(presets[:_NAMED]) + more
