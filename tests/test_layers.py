"""Imports between the folders of this project only go down, in the order of the tables here."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEVICE = ROOT / "edge_functions" / "dlr_inference"

SEARCHED = {
    "app": ROOT,
    "bench": ROOT,
    "component": DEVICE,
    "custom_resources": ROOT / "stacks" / "custom_resources" / "runtime",
    "edge_functions": ROOT,
    "inference": DEVICE,
    "lambda_function": DEVICE,
    "local_core": ROOT,
    "mli": ROOT,
    "models": ROOT,
    "stacks": ROOT,
    "tests": ROOT,
}
"""Each package, or module, at the top, and the folder that it is imported from."""

Layers = Sequence[tuple[str, ...]]

LAYERS: Mapping[str, Layers] = {
    # Between the packages. What runs on a device or in Lambda knows nothing of the host.
    "": (
        ("custom_resources", "edge_functions", "inference", "models"),
        ("component", "lambda_function", "stacks"),
        ("app", "local_core"),
        ("bench", "mli"),
        ("tests",),
    ),
    "inference": (
        ("errors", "redaction"),
        ("backoff", "clock", "hanging", "memory", "names", "preflight", "schema", "stopping",
         "syncing"),
        ("model",),
        ("vision",),
        ("sources",),
        ("pipeline",),
        ("outgoing",),
        ("feedback",),
        ("settings",),
        ("serving",),
        ("component",),
        ("v1",),
    ),
    "stacks": (
        ("arns", "nag_acknowledgments", "nag_checks", "names", "node", "retained_bucket"),
        ("context", "custom_resources", "iot_rules"),
        ("component",),
        ("core",),
        ("fleet",),
        ("actions", "monitoring"),
        ("simulator",),
        ("v1",),
        ("generations",),
    ),
    "local_core": (
        ("errors", "local_requests"),
        ("ipc", "processes"),
        ("nucleus",),
        ("v1",),
        ("device",),
        ("archives", "cloud", "output"),
        ("run",),
    ),
    "mli": (
        ("errors",),
        ("archives", "aws", "files", "listings", "strict_yaml"),
        ("cli",),
        ("device", "profile", "sagemaker", "templates"),
        ("compile", "watch"),
        ("fleet", "view"),
        ("demo", "local", "samples"),
        ("__main__",),
    ),
    "mli.device": (
        ("certificates", "stacks"),
        ("generations",),
        ("deployments", "packaging", "reports"),
    ),
    "mli.fleet": (
        ("folder", "tags", "work"),
        ("claim_policies", "journal"),
        ("certificates", "core_list", "options"),
        ("core",),
        ("canary", "claims", "command", "importing", "reports", "rotating"),
        ("removing",),
        ("group",),
    ),
}  # fmt: skip
"""The folders and modules of each package, from the lowest layer to the highest.

An import may go to a lower layer only: neither up nor to another member of the same layer. So there
are no cycles.
"""

EXCEPTIONS: Mapping[tuple[str, str], str] = {}
"""Modules that import a folder above them for now, each with its reason."""


@cache
def modules() -> Mapping[str, Path]:
    """Return each module of the project by its full name."""
    found = {}
    for package, folder in SEARCHED.items():
        for path in [folder / f"{package}.py", *(folder / package).rglob("*.py")]:
            if path.is_file() and not _is_of_another_root(path, folder):
                parts = path.relative_to(folder).with_suffix("").parts
                found[".".join(part for part in parts if part != "__init__")] = path
    return found


def _is_of_another_root(path: Path, folder: Path) -> bool:
    others = {other for other in SEARCHED.values() if other != folder}
    return any(o.is_relative_to(folder) and path.is_relative_to(o) for o in others)


@cache
def imports() -> Sequence[tuple[str, str, str]]:
    """Return importer, imported module and place of every import, wherever it stands in a file.

    So those inside functions and those for type checkers count too.
    """
    return [
        (name, target, f"{path.relative_to(ROOT)}:{line}")
        for name, path in sorted(modules().items())
        for target, line in _imports_of(name, path)
    ]


def _imports_of(name: str, path: Path) -> Iterator[tuple[str, int]]:
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield (whole if whole in modules() else base), node.lineno


def member(package: str, module: str) -> str | None:
    """Return the member of ``package`` that a module is or is in; None if it is in none."""
    inner = module.removeprefix(f"{package}.") if package else module
    if package and inner == module:
        return None
    return inner.partition(".")[0]


def layer_of(package: str, name: str) -> int:
    return next(i for i, names in enumerate(LAYERS[package]) if name in names)


@pytest.mark.parametrize("package", LAYERS)
def test_every_folder_has_a_layer(package: str) -> None:
    listed = {name for names in LAYERS[package] for name in names}
    found = {member(package, module) for module in modules()} - {None}
    assert found <= listed, f"add {sorted(map(str, found - listed))} to LAYERS[{package!r}]"


@pytest.mark.parametrize("package", LAYERS)
def test_imports_go_down(package: str) -> None:
    wrong = []
    for importer, imported, place in imports():
        source, target = member(package, importer), member(package, imported)
        if imported.split(".")[0] not in SEARCHED or None in (source, target) or source == target:
            continue
        goes_down = layer_of(package, str(target)) < layer_of(package, str(source))
        above = f"{package}.{target}" if package else str(target)
        if not goes_down and (importer, above) not in EXCEPTIONS:
            wrong.append(f"{place}: {importer} imports {imported}")
    assert not wrong, "\n".join(["imports that do not go down:", *wrong])


def test_every_exception_is_still_needed() -> None:
    found = {(importer, imported.rpartition(".")[0]) for importer, imported, _ in imports()}
    found |= {(importer, imported) for importer, imported, _ in imports()}
    assert EXCEPTIONS.keys() <= found, f"remove {sorted(EXCEPTIONS.keys() - found)}"


def test_the_imports_are_read_from_all_places_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "listing.py"
    file.write_text(
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "from .. import aws\n"
        "if TYPE_CHECKING:\n"
        "    from ..watch.listener import Listener\n"
        "def run() -> None:\n"
        "    import mli.fleet.journal\n"
    )
    found = [target for target, _ in _imports_of("mli.samples.listing", file)]
    assert found[2:] == ["mli.aws", "mli.watch.listener", "mli.fleet.journal"]
