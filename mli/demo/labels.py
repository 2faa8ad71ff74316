"""``mli demo labels``: names of ImageNet's classes, from timm's data files."""

from __future__ import annotations

from pathlib import Path

from mli.compile.tvm.packages import TIMM


def write_labels(work: Path, file: Path) -> int:
    """Write a line per class in the models' order: synset id, blank, WordNet's lemmas."""
    source = TIMM.folder(work.absolute()) / "timm/data/_info"
    rows = (source / "imagenet_synset_to_lemma.txt").read_text(encoding="utf-8").splitlines()
    lemmas = dict(row.split("\t") for row in rows)
    synsets = (source / "imagenet_synsets.txt").read_text(encoding="utf-8").split()
    lines = [f"{synset} {lemmas[synset]}\n" for synset in synsets]
    file.write_text("".join(lines), encoding="utf-8")
    return len(lines)
