"""The generations of AWS IoT Greengrass by their numbers.

V1 is in the ``v1`` folders, and nothing else knows it: without them and its line here, and in the
cloud's table in ``cloud/assembly.py``, there is no V1.
"""

from __future__ import annotations

from collections.abc import Mapping

from .device.generation import Generation
from .device.v1.generation import GenerationV1
from .device.v2.generation import GenerationV2

GENERATIONS: Mapping[int, Generation] = {
    2: GenerationV2(),
    1: GenerationV1(),
}
