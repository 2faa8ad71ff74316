"""``mli compile --with tvm``: from ONNX to a verified DLR artifact, on this machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from inference.model.profiles.outputs import ROLES
from inference.model.profiles.profile import ModelProfile
from inference.vision.decoders import decoder_for
from inference.vision.postprocess import Postprocessor

from ..cli.output import Output
from ..errors import MliError
from ..profile.dlr_child import DlrRun, run_in_child
from ..profile.files import PROFILE_FOLDER
from .artifact import finish, staged
from .graphs.canonical import expected
from .graphs.facts import choosing_operators, integer_operators, quantisation_step
from .graphs.reading import opened
from .prepared import Prepared, prepare
from .reference import Reference, choose_reference
from .report import Verified, description, predictions_of, provenance_of, report
from .request import LocalRequest
from .tvm import environment
from .tvm.dequantised import with_real_weights
from .tvm.lowering import lowered
from .tvm.relay import Signature
from .tvm.suppression import rows
from .tvm.targets import TARGETS, X86_64, Target
from .verification import compare_decoded, compare_detections, compare_scores, tolerance_for

_SOURCE = "hhb-tvm 3.2.3 from PyPI"
_LATEST_IR = 10
"""The version of ONNX's file format that TVM's environment reads."""
_ARM_NOTE = (
    "DLR has no library for ARM in any package: a core needs the libdlr.so of an archive that "
    "SageMaker Neo compiled for it; mli compile --with onnxruntime makes an artifact that runs on "
    "ARM as it is"
)


@dataclass(frozen=True)
class _Compiled:
    """What is known after TVM has finished: the run on this machine, and of which target."""

    facts: Mapping[str, Any]
    run: DlrRun
    ran_on: Target


def compile_with_tvm(output: Output, request: LocalRequest) -> None:
    """Compile and verify a model, and only then write the artifact.

    Raises:
        MliError: if it cannot be compiled, or differs from onnxruntime.
    """
    target = TARGETS[request.target]
    _check_machine(target)
    output.say(f"reading {request.model}")
    prepared = prepare(request, compiled_in=True)
    _check_graph(prepared)
    with staged(request.place) as folder, tempfile.TemporaryDirectory(prefix="compile-") as work:
        profile = prepared.profile(folder / PROFILE_FOLDER)
        output.say(description(prepared, profile))
        if target.linker:
            output.say(_ARM_NOTE)
        reference = _reference(prepared, profile, request.image)
        profile = _with_positions(prepared, profile, reference, folder / PROFILE_FOLDER)
        compiled = _compile(output, target, prepared, profile, reference, Path(work))
        verified = _verified(prepared, profile, reference, compiled)
        for path in (Path(work) / "target").iterdir():
            shutil.copyfile(path, folder / path.name)
        facts = compiled.facts
        made_by = {"tvm": facts["tvm"], "package": _SOURCE, "onnx": facts["onnx"]}
        provenance = provenance_of(request, prepared, verified, made_by)
        provenance["target"] = {"name": target.name, "llvm": target.llvm}
        finish(folder, provenance)
        predictions = None
        if request.image:
            predictions = predictions_of(profile, (), compiled.run.outputs, reference.image)
    report(
        output, request.place, profile, verified, predictions,
        target=target.name, runs_here=target.runs_here(), note=_ARM_NOTE if target.linker else None,
    )  # fmt: skip


def _check_machine(target: Target) -> None:
    if not X86_64.runs_here():
        raise MliError("TVM's wheel needs an x86-64 processor with AVX2")
    if shutil.which("g++") is None:
        raise MliError("TVM needs a linker: install Debian's package g++")
    if target.linker and shutil.which(target.linker) is None:
        raise MliError(
            f"--target {target.name} needs {target.linker}: install Debian's package "
            f"{target.linker_package} (apt-get install {target.linker_package})"
        )


def _check_graph(prepared: Prepared) -> None:
    choosing = choosing_operators(prepared.source)
    if choosing:
        raise MliError(
            f"the model chooses its results itself ({', '.join(choosing)}), which TVM cannot "
            "compile: use --with onnxruntime, or cut the graph before with --scores and --boxes"
        )


def _reference(prepared: Prepared, profile: ModelProfile, image: str | None) -> Reference:
    """Choose an image on which the original has detections, and say what DLR should return."""

    def as_compiled(outputs: list[Any]) -> list[Any]:
        arrays = prepared.expected(outputs)
        if prepared.source.kind == "ssd":
            return rows(arrays[0][0], arrays[1][0], prepared.rule)
        return arrays

    names = prepared.names if prepared.source.kind == "raw" else []
    return choose_reference(opened(prepared.source), as_compiled, profile, names, image)


def _with_positions(
    prepared: Prepared, profile: ModelProfile, reference: Reference, folder: Path
) -> ModelProfile:
    """Write into the profile which output is which: a compiled model has neither names nor types.

    Labels that are whole numbers in the original are real numbers after compilation.
    """
    outputs = reference.original
    if prepared.source.kind != "raw" or len(outputs) < 2:
        return profile
    decoder = decoder_for(profile, prepared.names, profile.confidence_threshold)
    found = {
        role: index
        for role, array in decoder.bind(outputs).items()
        for index, output in enumerate(outputs)
        if output is array
    }
    if not found or not ROLES[profile.output.kind]:
        return profile
    return prepared.profile(folder, {**prepared.values["output"], "outputs": found})


def _compile(
    output: Output,
    target: Target,
    prepared: Prepared,
    profile: ModelProfile,
    reference: Reference,
    work: Path,
) -> _Compiled:
    """Compile into the folder ``target`` of ``work``, and run the result.

    What cannot run on this machine is also compiled for x86-64, and that copy is run.
    """
    ran_on = target if target.runs_here() else X86_64
    folders = {target.name: work / "target"}
    folders.setdefault(ran_on.name, work / "twin")
    source = prepared.source
    graph = with_real_weights(lowered(source, prepared.graph()))
    graph.ir_version = min(graph.ir_version, _LATEST_IR)
    onnx.save(graph, work / "model.onnx")
    signature = Signature({source.input: source.shape}, _outputs(prepared, reference), source.dtype)
    job = {
        "model": work / "model.onnx",
        "signature": asdict(signature),
        "suppression": asdict(prepared.rule) if source.kind == "ssd" else None,
        "targets": folders,
    }
    try:
        facts = environment.work(job, output)
    except MliError as error:
        whole = integer_operators(source)
        if not whole:
            raise
        raise MliError(
            f"{error}; the model is quantised with operators of whole numbers "
            f"({', '.join(whole)}): quantise it in the form QDQ, or use --with onnxruntime"
        ) from None
    output.say(f"verifying against onnxruntime {onnxruntime.__version__}")
    run = run_in_child(folders[ran_on.name], profile.input.name, reference.tensor)
    for array in run.outputs:
        if not np.isfinite(array).all():
            raise MliError("the compiled model returns values that are not finite")
    return _Compiled(facts, run, ran_on)


def _outputs(prepared: Prepared, reference: Reference) -> dict[str, Sequence[int]]:
    """Return names and shapes of the compiled model's outputs."""
    if prepared.source.kind == "ssd":
        shapes = [array.shape for array in reference.expected]
        return dict(zip(("class_ids", "scores", "boxes"), shapes, strict=True))
    if prepared.source.kind == "classification":
        name = "probabilities" if prepared.probabilities else "logits"
        return {name: reference.expected[0].shape}
    shapes = [array.shape for array in reference.original]
    return dict(zip(prepared.names, shapes, strict=True))


def _verified(
    prepared: Prepared, profile: ModelProfile, reference: Reference, compiled: _Compiled
) -> Verified:
    """Compare what DLR returned with the original, by what kind of model it is.

    Raises:
        MliError: if they differ.
    """
    source, outputs, compared = prepared.source, compiled.run.outputs, None
    tolerance = tolerance_for(quantisation_step(source, source.outputs))
    if source.kind == "classification":
        difference = compare_scores(outputs, reference.expected[0], tolerance)
    elif source.kind == "ssd":
        anchors = expected(source, prepared.form, reference.original)
        size = (profile.input.width, profile.input.height)
        difference = compare_detections(outputs, anchors, prepared.rule, size, tolerance)
        compared = int((outputs[0] >= 0).sum())
    else:
        found = Postprocessor(profile).decode(outputs)
        difference, compared = compare_decoded(found, reference.found, profile, tolerance)
    return Verified(
        reference, difference, tolerance, compared, compiled.ran_on.name, compiled.run.versions
    )
