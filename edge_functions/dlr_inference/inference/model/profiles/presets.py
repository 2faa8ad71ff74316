"""The outputs of model families by name, as each family's own export writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping

PRESETS: Mapping[str, Mapping[str, Any]] = json.loads(
    Path(__file__).with_name("presets.json").read_text(encoding="utf-8")
)
"""Each preset's fields of ``output``, which a profile's own fields override."""
