"""What runs on devices, or while a stack is deployed: one folder an asset, importable by itself.

Importing this package, here and nowhere else, puts the assets' folders on the import path of a
program on the host, so that ``inference`` and ``custom_resources`` have one name everywhere.
"""

from __future__ import annotations

import sys
from pathlib import Path

CODE_FOLDER = Path(__file__).resolve().parent / "dlr_inference"
"""What is deployed to a core: the entry points and the ``inference`` package."""

CUSTOM_RESOURCES_FOLDER = CODE_FOLDER.with_name("cloudformation")
"""What CloudFormation runs while it deploys: the ``custom_resources`` package."""

for _folder in (CODE_FOLDER, CUSTOM_RESOURCES_FOLDER):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
