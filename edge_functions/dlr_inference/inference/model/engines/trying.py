"""Tries a model in a child process, since damage that no check detects may end a process."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from ...errors import ModelError
from ..artifacts.artifact import ModelArtifact
from ..profiles.profile import InputSpec
from .child_failure import why_child_failed
from .runnable import NAMES

EXPLAINED = 3
"""Exit status of a child whose stderr ends with the whole message for the user."""

_TRIAL_SECONDS = 300


def try_in_child(artifact: ModelArtifact, spec: InputSpec, accelerator: str = "cpu") -> None:
    """Load and run the model once in a child process.

    Raises:
        ModelError: with the signal or the reason, if the child fails.
    """
    status, reason = _outcome(artifact, spec, accelerator)
    if status == EXPLAINED:
        raise ModelError(reason)
    if reason:
        name = NAMES[artifact.runtime]
        raise ModelError(
            f"model {artifact.folder}: {name} cannot run it on {accelerator}: {reason}"
        )


def why_it_fails(artifact: ModelArtifact, spec: InputSpec, accelerator: str) -> str:
    """Return in one line why the model fails in a child process, or nothing if it does not."""
    return _outcome(artifact, spec, accelerator)[1]


def _outcome(artifact: ModelArtifact, spec: InputSpec, accelerator: str) -> tuple[int, str]:
    """Return the exit status of a child, negative for a signal, and the reason of its failure."""
    import subprocess  # imported only for a model that is untested or failed

    command = [sys.executable, "-m", "inference.model.engines.trial", artifact.runtime]
    command += [str(artifact.folder.resolve()), accelerator, json.dumps(asdict(spec))]
    try:
        child = subprocess.run(
            command,
            cwd=str(Path(__file__).parents[3]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, f"no result within {_TRIAL_SECONDS} s"
    status, text = child.returncode, child.stderr.decode(errors="replace")
    if status == EXPLAINED and text.strip():
        return status, text.strip().splitlines()[-1]
    return status, why_child_failed(status, text) if status else ""
