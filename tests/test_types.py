"""What mypy reads: it skips the CDK's modules, but for those that pyproject.toml names."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator

from tests.test_layers import ROOT, modules


def test_types_of_every_imported_module_of_the_cdk_are_read() -> None:
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
    read = next(one["module"] for one in overrides if one["module"][0] == "aws_cdk")
    assert sorted(set(_imported())) == read


def _imported() -> Iterator[str]:
    for path in modules().values():
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text if "aws_cdk" in text else "")):
            if isinstance(node, ast.Import):
                yield from (one.name for one in node.names if one.name.startswith("aws_cdk"))
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aws_cdk"):
                yield str(node.module)
                yield from (
                    f"{node.module}.{one.name}" for one in node.names if one.name.startswith("aws_")
                )
