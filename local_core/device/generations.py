"""The generations of AWS IoT Greengrass by their numbers.

V1 is in the ``v1`` folders, and nothing else knows it: without them and its line here, and in the
cloud's table in ``cloud/assembly.py``, there is no V1.
"""

from __future__ import annotations

from collections.abc import Mapping

from .generation import Generation
from .v1.generation import GenerationV1
from .v2.generation import GenerationV2

GENERATIONS: Mapping[int, Generation] = {
    2: GenerationV2(),
    1: GenerationV1(),
}
