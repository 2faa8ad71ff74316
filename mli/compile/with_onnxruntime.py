"""``mli compile --with onnxruntime``: from ONNX to a verified artifact for any processor."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx

from inference.model.artifacts.artifact import check_artifact
from inference.model.engines.runtime import open_runtime
from inference.model.profiles.profile import ModelProfile
from inference.vision.detections import Detections
from inference.vision.postprocess import Postprocessor
from stacks.component.onnx_format import limit_of_file

from ..cli.output import Output
from ..errors import MliError
from ..profile.files import PROFILE_FOLDER
from .agreement import agreement, described
from .artifact import finish, staged
from .graphs.facts import quantisation_step
from .graphs.reading import check_graph, opened
from .graphs.simplifying import is_quantised, simplified
from .prepared import Prepared, prepare
from .quantising import photographs, quantise, tensors
from .reference import Reference, choose_reference
from .report import Verified, description, predictions_of, provenance_of, report
from .request import LocalRequest
from .verification import compare_decoded, compare_scores, tolerance_for

MODEL = "model.onnx"
TARGET = "any processor"


class _Loaded:
    """A model in the engine of a core, and what the core would read from its outputs."""

    def __init__(self, folder: Path, profile: ModelProfile) -> None:
        self._model = open_runtime(check_artifact(folder), profile.input, "cpu")
        self.names, self.versions = self._model.output_names, self._model.versions
        self._read = Postprocessor(profile, output_names=self.names)
        self.run: Callable[[Any], list[Any]] = self._model.run

    def find(self, tensor: Any) -> Detections:
        """Return what the core reads for one tensor."""
        return self._read.decode(self.run(tensor))


def compile_with_onnxruntime(output: Output, request: LocalRequest) -> None:
    """Fix, simplify and verify a model, quantise it if asked, and only then write the artifact.

    Raises:
        MliError: if it cannot be used, or differs from the original.
    """
    files = photographs(request.calibrate) if request.calibrate else []
    output.say(f"reading {request.model}")
    prepared = prepare(request, compiled_in=False)
    if files and is_quantised(prepared.source.model):
        raise MliError(f"--quantize: {request.model} is quantised already")
    with staged(request.place) as folder, tempfile.TemporaryDirectory(prefix="compile-") as work:
        profile = prepared.profile(folder / PROFILE_FOLDER)
        output.say(description(prepared, profile))
        reference = choose_reference(
            opened(prepared.source), prepared.expected, profile, prepared.names, request.image
        )
        real = Path(work) / "real"
        _save(_graph(prepared, reference), real)
        loaded = _Loaded(real, profile)
        outputs = loaded.run(reference.tensor)
        verified = _verified(prepared, profile, reference, loaded, outputs)
        changes: dict[str, Any] | None = None
        if files:
            quantised = Path(work) / "quantised"
            quantised.mkdir()
            quantise(real / MODEL, quantised / MODEL, profile.input, files, output.status)
            fewer = _Loaded(quantised, profile)
            output.say(f"comparing both on {len(files)} photographs")
            changes = agreement(_pairs(files, profile, loaded, fewer), profile)
            outputs, real = fewer.run(reference.tensor), quantised
        shutil.copyfile(real / MODEL, folder / MODEL)
        limit = limit_of_file(folder / MODEL)
        made_by = {"onnxruntime": loaded.versions["onnxruntime"], "onnx": onnx.__version__}
        provenance = provenance_of(request, prepared, verified, made_by)
        provenance["quantised"] = changes
        finish(folder, provenance)
        predictions = None
        if request.image:
            predictions = predictions_of(profile, loaded.names, outputs, reference.image)
    if limit:
        output.say(f"the artifact {limit}")
    text = f"quantised to {request.quantize}: {described(changes)}" if changes else ""
    report(
        output, request.place, profile, verified, predictions,
        target=TARGET, runs_here=True, quantised=changes, quantised_text=text,
        note=limit or None,
    )  # fmt: skip


def _graph(prepared: Prepared, reference: Reference) -> Any:
    """Return the graph of the artifact; outputs that are described keep their types.

    A shape that ONNX cannot infer, behind operators of onnxruntime's own, is that of the run.
    """
    graph = prepared.source.model if prepared.source.kind == "raw" else prepared.graph()
    graph = simplified(graph)
    for output, array in zip(graph.graph.output, reference.expected, strict=True):
        tensor = output.type.tensor_type
        if not tensor.HasField("shape"):
            output.CopyFrom(
                onnx.helper.make_tensor_value_info(output.name, tensor.elem_type, array.shape)
            )
    return graph


def _save(graph: Any, folder: Path) -> None:
    folder.mkdir()
    check_graph(graph)
    onnx.save(graph, folder / MODEL)


def _verified(
    prepared: Prepared,
    profile: ModelProfile,
    reference: Reference,
    loaded: _Loaded,
    outputs: list[Any],
) -> Verified:
    source = prepared.source
    tolerance = tolerance_for(quantisation_step(source, source.outputs))
    compared: int | None = None
    if source.kind == "classification":
        difference = compare_scores(outputs, reference.expected[0], tolerance)
    else:
        found = Postprocessor(profile, output_names=loaded.names).decode(outputs)
        difference, compared = compare_decoded(found, reference.found, profile, tolerance)
    return Verified(reference, difference, tolerance, compared, TARGET, loaded.versions)


def _pairs(
    files: list[Path], profile: ModelProfile, real: _Loaded, quantised: _Loaded
) -> Iterator[tuple[Detections, Detections]]:
    for tensor in tensors(files, profile.input):
        yield real.find(tensor), quantised.find(tensor)
