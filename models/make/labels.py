"""``python -m models.make.labels``: names of ImageNet's classes, from timm's data files."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.make.packages import TIMM, WORK

FILE = Path("edge_functions/dlr_inference/inference/profiles/efficientnet-lite0-imagenet.txt")


def main() -> None:
    """Write one line a class, in the models' order: synset id, blank, WordNet's lemmas."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--output", type=Path, default=FILE)
    arguments = parser.parse_args()
    source = TIMM.folder(arguments.work.absolute()) / "timm/data/_info"
    rows = (source / "imagenet_synset_to_lemma.txt").read_text(encoding="utf-8").splitlines()
    lemmas = dict(row.split("\t") for row in rows)
    synsets = (source / "imagenet_synsets.txt").read_text(encoding="utf-8").split()
    lines = [f"{synset} {lemmas[synset]}\n" for synset in synsets]
    arguments.output.write_text("".join(lines), encoding="utf-8")
    print(arguments.output, len(lines))


if __name__ == "__main__":
    main()
