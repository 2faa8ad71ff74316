"""Greengrass V1 function: it is long-lived, so a V1 core imports this module once.

https://docs.aws.amazon.com/greengrass/v1/developerguide/lambda-functions.html#lambda-lifecycle
"""

from __future__ import annotations

import os
from typing import Any

from inference.v1 import function as v1

v1.start(os.environ)


def function_handler(event: Any, context: Any) -> None:
    """Do nothing: the core requires a handler, but this group sends the function no messages."""
