"""What every decoder is: a profile's rules, and a method from outputs to detections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Sequence

import numpy as np

from ...errors import ModelError, OutputError
from ...model.profiles.profile import ModelProfile
from ..detections import Array, Detections, Outputs
from .binding import Binding, Bound, UnboundError


class UnfitOutputsError(ModelError):
    """Outputs whose number, shapes or types are not those of the profile's output kind.

    ``reason`` is why, such as that two outputs may play one role; empty where nothing is to be said
    beyond what is needed and what was returned.
    """

    def __init__(self, mismatch: str, reason: str = "") -> None:
        super().__init__(f"{mismatch} ({reason})" if reason else mismatch)
        self.reason = reason


class Decoder(ABC):
    """Decodes the outputs of one model; the first outputs decide which plays which role."""

    def __init__(self, profile: ModelProfile, names: Sequence[str], threshold: float) -> None:
        """``names`` are those of the outputs, in the model's order; empty if nobody knows them.

        Scores below ``threshold`` need not be decoded.
        """
        self.profile = profile
        self.spec = profile.output
        self.threshold = np.float32(threshold)
        self._names = names
        self._binding = Binding(self.spec, names)
        self._shapes: list[Any] | None = None
        self._places: dict[str, int] = {}

    @property
    @abstractmethod
    def needs(self) -> str:
        """The outputs that this kind reads, in words for messages."""

    @abstractmethod
    def bind(self, outputs: Outputs) -> Bound:
        """Return the outputs by their roles; only their shapes and types decide.

        Raises:
            UnfitOutputsError: if they are not of this kind, or it is not clear which is which.
        """

    @abstractmethod
    def decode(self, bound: Bound) -> Detections:
        """Return the detections in outputs that :meth:`bind` returned.

        Raises:
            ModelError: if the scores are not what the profile says.
            OutputError: if a value that counts is not finite.
        """

    def __call__(self, outputs: Outputs) -> Detections:
        """Bind and decode in one step. Only outputs of new shapes or types need to be bound."""
        shapes = [(output.shape, output.dtype) for output in outputs]
        if shapes != self._shapes:
            bound = self.bind(outputs)
            at = {id(output): index for index, output in enumerate(outputs)}
            self._places = {role: at[id(output)] for role, output in bound.items()}
            self._shapes = shapes
        return self.decode({role: outputs[index] for role, index in self._places.items()})

    def unfit(self, outputs: Outputs, reason: str = "") -> UnfitOutputsError:
        """Return the error for outputs that are not of this kind."""
        return UnfitOutputsError(
            f"profile {self.profile.name}: output kind {self.spec.kind} needs {self.needs}, "
            f"the model returned {described(outputs, self._names)}",
            reason,
        )

    def find(self, outputs: Outputs, roles: Any, agree: Any = None) -> Bound:
        """Return the outputs by ``roles``, as :class:`Binding` finds them."""
        try:
            return self._binding.find(outputs, roles, agree)
        except UnboundError as error:
            raise self.unfit(outputs, str(error)) from None

    def not_finite(self, what: str) -> OutputError:
        """Return the error for a value that is NaN or infinite."""
        return not_finite(self.profile, what)

    def real(self, values: Array) -> Array:
        """Return numbers as float32; whole numbers by the profile's scale and zero point."""
        if values.dtype == np.float32:
            return values
        if values.dtype.kind not in "iu":
            with np.errstate(over="ignore"):  # infinite then, and noticed where it counts
                return values.astype(np.float32)
        if self.spec.scale is None:
            raise ModelError(
                f"profile {self.profile.name}: the model returns {values.dtype} scores; set "
                "output.scale and output.zeroPoint to those of its last quantisation, such as "
                "0.00390625 and 0"
            )
        real = (values.astype(np.float64) - self.spec.zero_point) * self.spec.scale
        return real.astype(np.float32)

    def lengths(self, boxes: Array) -> Array:
        """Return ``boxes`` of their own output; refuse quantised ones, whose scale nobody gives."""
        if boxes.dtype.kind in "iu" and boxes.dtype.itemsize < 4:
            raise ModelError(
                f"profile {self.profile.name}: the model returns {boxes.dtype} boxes, which are "
                "quantised; export it with outputs in float32"
            )
        return boxes

    def require_probabilities(self, scores: Array, advice: str) -> None:
        """Raise ``ModelError``, which ends with ``advice``, if ``scores`` are not probabilities."""
        if not len(scores):
            return
        low, high = float(scores.min()), float(scores.max())
        if low < -1e-3 or high > 1 + 1e-3:
            raise ModelError(
                f"profile {self.profile.name}: says that the model returns probabilities, but its "
                f"scores go from {low:.4g} to {high:.4g}; {advice}"
            )


def not_finite(profile: ModelProfile, what: str) -> OutputError:
    """Return the error for a value that is NaN or infinite."""
    return OutputError(
        f"profile {profile.name}: {what} that the model returned is not finite; if that repeats, "
        "check mean and std, or compile the model again"
    )


def described(outputs: Outputs, names: Sequence[str]) -> str:
    """Return shapes, with the names where they are known, and types other than float32."""
    known = names if len(names) == len(outputs) else [""] * len(outputs)
    parts = []
    for name, output in zip(known, outputs):
        dtype = "" if output.dtype == np.float32 else f" {output.dtype}"
        parts.append(f"{name} {list(output.shape)}{dtype}".strip())
    return ", ".join(parts) or "none"
