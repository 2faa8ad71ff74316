"""The lines that the documentation explains are those that the code says."""

from __future__ import annotations

import pytest

from tests.docs.messages import fits, pieces, quoted_lines, said_by, texts
from tests.stacks.synthesis import ROOT

DOCS = ROOT / "docs"
CODE = ("edge_functions", "stacks", "local_core", "mli", "models")
COMPONENT = "edge_functions/dlr_inference"
MOSTLY_A_REASON = 8
"""Longest word of a text such as ``model …: …``, whose reason is a text of its own."""

TABLES = {
    "troubleshooting.md": "line",
    "compile.md": "line",
    "provisioning.md": "what a command says",
    "ci.md": "line",
}
LINES = [
    (document, line)
    for document, heading in TABLES.items()
    for line in quoted_lines(DOCS / document, heading)
]


def test_tables_are_found() -> None:
    assert {document for document, _ in LINES} == set(TABLES)


@pytest.mark.parametrize(("document", "line"), LINES)
def test_quoted_line_is_said_by_the_code(document: str, line: str) -> None:
    assert max(map(len, pieces(line)), default=0) >= 6, "too short to be found in a log"
    assert any(fits(line, text) for folder in CODE for text in texts(folder))


def test_what_a_component_says_of_a_fault_is_explained() -> None:
    lines = list(quoted_lines(DOCS / "troubleshooting.md", TABLES["troubleshooting.md"]))
    faults = [
        (place, text)
        for place, text in said_by(COMPONENT, ("warning", "error", "exception", "ModelError"))
        if max(map(len, pieces(text)), default=0) > MOSTLY_A_REASON
    ]
    assert len(faults) > 20
    assert not [fault for fault in faults if not any(fits(line, fault[1]) for line in lines)]


def test_a_line_that_nobody_says_would_be_noticed() -> None:
    invented = "the flux capacitor of … is empty"
    assert not any(fits(invented, text) for folder in CODE for text in texts(folder))
    assert fits("samples wait for …: …", "samples wait for …: …")
    assert not fits("wait … samples", "samples wait for …: …")
