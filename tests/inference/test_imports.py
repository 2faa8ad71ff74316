"""Imports inside ``inference`` go downwards without cycles, and its packages are light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from graphlib import TopologicalSorter

from edge_functions import CODE_FOLDER

ROOT = CODE_FOLDER / "inference"
GROUND = {"backoff", "errors", "memory", "names", "preflight", "schema", "stopping"}
LAYERS = (
    "model",
    "vision",
    "sources",
    "pipeline",
    "outgoing",
    "feedback",
    "settings",
    "component",
    "v1",
)
"""From the ground up; ``settings`` joins what sources and feedback declare."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def layer(module: str) -> int:
    top = [*module.split("."), ""][1]
    return 0 if top in GROUND or not top else LAYERS.index(top) + 1


def imports_of(module: str) -> set[str]:
    """Return the modules that one imports, in functions and for its types as well."""
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            origin = ".".join([*(base if node.level else []), *filter(None, [node.module])])
            inner = {f"{origin}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else origin for name in inner}
    return {name for name in found if name in MODULES}


def test_no_module_imports_from_a_layer_above_its_own() -> None:
    upward = {
        f"{module} imports {imported}"
        for module in MODULES
        for imported in imports_of(module)
        if layer(imported) > layer(module)
    }
    assert upward == set()


def test_modules_do_not_import_each_other_in_a_cycle() -> None:
    graph = {module: imports_of(module) - {module} for module in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_no_import_is_hidden_in_a_string() -> None:
    hidden = [name for name, path in MODULES.items() if "import_module(" in path.read_text()]
    assert hidden == []


def test_packages_and_settings_import_neither_numpy_nor_opencv_nor_an_sdk() -> None:
    packages = [name for name, path in MODULES.items() if path.name == "__init__.py"]
    light = [*packages, "inference.settings", "inference.component.main", "inference.v1.function"]
    heavy = ("numpy", "cv2", "dlr", "boto3", "awsiot", "greengrasssdk")
    code = f"import sys, {', '.join(light)}; print(sys.modules.keys() & set({heavy}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CODE_FOLDER, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
