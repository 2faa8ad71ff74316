"""The generations of Greengrass that this project deploys."""

from __future__ import annotations

from ..stacks.core import CoreStack
from .interface import Generation
from .v1.generation import V1Generation
from .v2.generation import V2Generation

GENERATIONS: tuple[Generation, ...] = (
    V1Generation(),  # to drop V1, delete this line and the folder v1
    V2Generation(),
)
"""In the order in which they are tried; the last one matches every stack."""


def generation_of(stack: CoreStack) -> Generation:
    """Return the generation of a deployed stack."""
    return next(generation for generation in GENERATIONS if generation.matches(stack))
