"""What runs on devices: one folder an asset, each importable by itself as it is on the device.

Importing this package, here and nowhere else, puts the inference code's folder on the import path
of a program on the host, so that ``inference`` has one name everywhere.
"""

from __future__ import annotations

import sys
from pathlib import Path

CODE_FOLDER = Path(__file__).resolve().parent / "dlr_inference"
"""What is deployed to a core: the entry points and the ``inference`` package."""

if str(CODE_FOLDER) not in sys.path:
    sys.path.insert(0, str(CODE_FOLDER))
