"""Which output plays which role: by name or position, or else by the only shape that fits."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, Mapping, Sequence

from ...errors import InferenceError
from ...model.profiles.outputs import OutputSpec
from ..detections import Array, Outputs

Bound = Dict[str, Array]
"""Outputs by role."""

Agree = Callable[[Bound], bool]
"""Tells whether outputs fit together."""

_MAX_OUTPUTS = 32


class UnboundError(InferenceError):
    """Outputs that do not say which is which. Its text is the reason, for a longer message."""


@dataclass(frozen=True)
class Role:
    """What an output of this role must look like. ``by_shape`` must hold, too, where no name says
    which output it is. An optional role may be played by none."""

    name: str
    fits: Callable[[Array], bool]
    by_shape: Callable[[Array], bool] = lambda output: True
    optional: bool = False


class Binding:
    """Finds outputs by the profile's names, otherwise by shape, and remembers where they were.

    What was found once stays: another frame may have no rows, or as many as a box has corners.
    """

    def __init__(self, spec: OutputSpec, names: Sequence[str]) -> None:
        self._names = list(names)
        self._given: Mapping[str, str | int] = dict(spec.outputs)
        self._are_usual = spec.names_are_usual
        self._found: dict[str, int] | None = None

    def find(self, outputs: Outputs, roles: Sequence[Sequence[Role]], agree: Agree | None) -> Bound:
        """Return the outputs of the roles; ``roles`` are alternatives, each a set of roles.

        Raises:
            UnboundError: if no output fits a role, or it is not clear which one does.
        """
        agree = agree or (lambda bound: True)
        if self._found is None or max(self._found.values(), default=0) >= len(outputs):
            self._found = self._search(outputs, roles, agree)
        bound = {role: outputs[index] for role, index in self._found.items()}
        if not any(_fit(bound, alternative) for alternative in roles) or not agree(bound):
            raise UnboundError("")
        return bound

    def _search(
        self, outputs: Outputs, roles: Sequence[Sequence[Role]], agree: Agree
    ) -> dict[str, int]:
        named = self._by_name(outputs, roles)
        if named is not None:
            return named
        found = list(self._by_shape(outputs, roles, agree))
        if len(found) > 1:
            ways = [" ".join(f"{role} {i}" for role, i in one.items()) for one in found[:2]]
            known = f"; {', '.join(self._names)} are their names" if self._names else ""
            raise UnboundError(
                f"which is which is not clear: {' or '.join(ways)}; say it in output.outputs{known}"
            )
        if not found:
            raise UnboundError("")
        return found[0]

    def _by_name(self, outputs: Outputs, roles: Sequence[Sequence[Role]]) -> dict[str, int] | None:
        """Return where the named outputs are; None if only a search by shape can tell."""
        if not self._given:
            return None
        found: dict[str, int] = {}
        missing: list[str] = []
        for role, name in self._given.items():
            if isinstance(name, int) and name < len(outputs):
                found[role] = name
            elif isinstance(name, str) and name in self._names:
                found[role] = self._names.index(name)
            else:
                missing.append(f"{role} {name}")
        required = [{role.name for role in one if not role.optional} for one in roles]
        if not missing or (self._are_usual and any(one <= set(found) for one in required)):
            return found
        if self._are_usual or not self._names:
            return None
        raise UnboundError(f"output.outputs says {', '.join(missing)}, which it does not have")

    def _by_shape(
        self, outputs: Outputs, roles: Sequence[Sequence[Role]], agree: Agree
    ) -> Iterator[dict[str, int]]:
        for alternative in roles:
            required = [role for role in alternative if not role.optional]
            choices = [
                [
                    index for index, output in enumerate(outputs[:_MAX_OUTPUTS])
                    if role.fits(output) and role.by_shape(output)
                ]
                for role in required
            ]  # fmt: skip
            for indices in itertools.product(*choices):
                if len(set(indices)) < len(indices):
                    continue
                found = {role.name: index for role, index in zip(required, indices)}
                if agree({role: outputs[index] for role, index in found.items()}):
                    yield {**found, **_optional(outputs, alternative, found, agree)}


def _optional(
    outputs: Outputs, roles: Sequence[Role], found: Mapping[str, int], agree: Agree
) -> dict[str, int]:
    """Return where the optional roles are, each if exactly one of the other outputs fits."""
    more: dict[str, int] = {}
    for role in roles:
        if role.optional:
            others = [
                index for index, output in enumerate(outputs[:_MAX_OUTPUTS])
                if index not in found.values() and role.fits(output) and role.by_shape(output)
                and agree({role.name: output, **{r: outputs[i] for r, i in found.items()}})
            ]  # fmt: skip
            if len(others) == 1:
                more[role.name] = others[0]
    return more


def _fit(bound: Bound, roles: Sequence[Role]) -> bool:
    known = {role.name: role for role in roles}
    required = {role.name for role in roles if not role.optional}
    if not required <= set(bound) or not set(bound) <= set(known):
        return False
    return all(known[name].fits(output) for name, output in bound.items())
