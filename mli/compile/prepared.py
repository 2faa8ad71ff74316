"""What both engines on this machine need before they compile: the graph, its head, its profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.model.profiles.profile import ModelProfile, load_profile

from ..errors import MliError
from ..profile.metadata import ExportMetadata, metadata_of
from ..profile.proposal import Usual, profile_values, usual_of_preset
from .artifact import write_profile
from .given_profile import check_input, given_values, read_labels
from .graphs.canonical import BOXES, SCORES, Form, canonical, expected
from .graphs.facts import are_probabilities
from .graphs.heads import UnknownHeadError, choose_outputs, cut_at
from .graphs.reading import (
    GraphError,
    Source,
    load_model,
    noise,
    opened,
    properties_of,
    with_fixed_input,
)
from .meaning import (
    advice,
    check_classes,
    check_kind,
    form_of,
    given_output,
    is_multi_label,
    output_as_described,
    output_of_head,
    suppression_of,
)
from .request import LocalRequest
from .tvm.suppression import Suppression

_COMPILED_KINDS = ("gluoncv-ssd", "classification")
"""Kinds of output whose form the compilation gives to a model; others stay as they are."""


@dataclass(frozen=True)
class Prepared:
    """A model whose outputs are understood; ``classes`` is None where only the core counts them."""

    source: Source
    form: Form
    rule: Suppression
    classes: int | None
    probabilities: bool
    values: Mapping[str, Any]
    labels: Sequence[str] | None
    metadata: ExportMetadata | None

    @property
    def names(self) -> list[str]:
        """The names of the artifact's outputs."""
        return {"ssd": [SCORES, BOXES], "classification": [SCORES]}.get(
            self.source.kind, self.source.outputs
        )

    def graph(self) -> Any:
        """Return the graph to compile, with outputs in the compiled form."""
        return canonical(self.source, self.form, self.classes or 0)

    def expected(self, outputs: Sequence[Any]) -> list[Any]:
        """Return what an artifact should return where the original returned ``outputs``.

        Raises:
            GraphError: if the outputs are not of the form that the options say.
        """
        if not self.source.scores:
            return list(outputs)
        arrays = expected(self.source, self.form, outputs)
        return [arrays[key] for key in ("scores", "boxes") if key in arrays]

    def profile(self, folder: Path, output: Mapping[str, Any] | None = None) -> ModelProfile:
        """Write the profile with its labels into ``folder``, and return it as a core reads it."""
        values = self.values if output is None else {**self.values, "output": dict(output)}
        return write_profile(folder, values, None if self.labels is None else list(self.labels))


def prepare(request: LocalRequest, *, compiled_in: bool) -> Prepared:
    """Read the model and decide by options, profile and metadata what its outputs mean.

    ``compiled_in`` says that suppression is added to a model with scores and boxes.

    Raises:
        MliError: if the model cannot be used, or contradicts the options.
        ConfigurationError: if the given profile is not valid.
    """
    if not Path(request.model).is_file():
        is_folder = Path(request.model).is_dir()
        what = "is a folder; give the .onnx file in it" if is_folder else "there is no such file"
        raise MliError(f"{request.model}: {what}")
    request.place.check()
    given = load_profile(request.profile) if request.profile else None
    model = load_model(Path(request.model))
    metadata = metadata_of(properties_of(model))
    source = with_fixed_input(model, request.input_shape, _usual_shape(given, metadata))
    if given is not None:
        check_input(str(request.profile), given, source)
    source = _with_head(source, request, given, metadata)
    return _understood(source, request, metadata, compiled_in=compiled_in)


def _usual_shape(
    given: ModelProfile | None, metadata: ExportMetadata | None
) -> tuple[int, ...] | None:
    if given is not None:
        return given.input.shape
    if metadata is not None and metadata.size is not None:
        return (1, 3, *metadata.size)
    return None


def _with_head(
    source: Source,
    request: LocalRequest,
    given: ModelProfile | None,
    metadata: ExportMetadata | None,
) -> Source:
    """Choose scores and boxes; a head that is described otherwise stays as it is."""
    named = bool(request.scores or request.boxes)
    kind = given.output.kind if given else None
    if request.preset or kind not in (None, *_COMPILED_KINDS):
        return cut_at(source, request.scores, request.boxes) if named else source
    if metadata is not None and given is None and not named and metadata.task != "classify":
        return source
    try:
        return choose_outputs(source, request.scores, request.boxes)
    except UnknownHeadError as error:
        if kind == "gluoncv-ssd" and not named:
            return source
        raise GraphError(f"{error}. {advice(source, _outputs(source))}") from None


def _understood(
    source: Source,
    request: LocalRequest,
    metadata: ExportMetadata | None,
    *,
    compiled_in: bool,
) -> Prepared:
    arrays = _outputs(source)
    own, classes = False, None
    if source.scores:
        scores = arrays[source.scores]
        own = are_probabilities(source, scores)
        classes = _classes(source, scores) - request.background
    probabilities = own or request.softmax
    check_kind(source, request, probabilities=own)
    labels = _labels(request, metadata, classes)
    if source.kind == "classification" and classes is not None:
        said = labels is not None or request.profile is not None or metadata is not None
        check_classes(source, request, classes, said=said, probabilities=own)
    rule = suppression_of(source, request)
    output: dict[str, Any] | None = None
    if source.scores:
        output = output_of_head(source, rule, probabilities=probabilities, compiled_in=compiled_in)
        if source.kind == "classification" and is_multi_label(source, classes or 0):
            output["multiLabel"] = True
    elif not request.profile:
        output = output_as_described(source, arrays, request, metadata)
    return Prepared(
        source=source,
        form=form_of(source, request, arrays.get(source.boxes)),
        rule=rule,
        classes=classes,
        probabilities=probabilities,
        values=_values(source, request, metadata, output, probabilities=probabilities),
        labels=labels,
        metadata=metadata,
    )


def _outputs(source: Source) -> dict[str, Any]:
    """Return by name what the model returns for noise."""
    return dict(zip(source.outputs, opened(source)(noise(source)), strict=True))


def _classes(source: Source, scores: Any) -> int:
    if not source.boxes:
        return int(scores.size)
    return int(scores.shape[1 if source.classes_first else 2])


def _labels(
    request: LocalRequest, metadata: ExportMetadata | None, classes: int | None
) -> list[str] | None:
    background = request.background
    labels = read_labels(request.labels, request.profile, classes, background=background)
    if labels is None and metadata is not None and not request.profile:
        return list(metadata.labels)
    return labels


def _values(
    source: Source,
    request: LocalRequest,
    metadata: ExportMetadata | None,
    output: Mapping[str, Any] | None,
    *,
    probabilities: bool,
) -> dict[str, Any]:
    """Return the profile's values; ``output`` is None where the given profile has its own."""
    if request.profile:
        values = given_values(request.profile)
        if output is not None:
            values["output"] = given_output(
                values["output"], output, probabilities=probabilities, name=request.profile
            )
        return values
    usual = Usual()
    if request.preset:
        usual = usual_of_preset(request.preset)
    elif metadata is not None:
        usual = Usual(metadata.input_fields(), metadata.general_fields())
    stem = Path(request.model).stem
    return profile_values(
        {"input": source.input_fields},
        request.preprocessing,
        stem,
        output=output or {},
        usual=usual,
    )
