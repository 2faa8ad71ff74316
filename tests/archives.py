"""Archives of models, packed in little time."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from pathlib import Path


def packed(target: Path, pack: str, root: Path, base: str = ".") -> Path:
    """Do what ``shutil.make_archive`` does, but compress little, in a tenth of the time."""
    if pack == "zip":
        archive = target.with_name(f"{target.name}.zip")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
            for path in sorted((root / base).rglob("*")):
                opened.write(path, path.relative_to(root))
        return archive
    plain = Path(shutil.make_archive(str(target), "tar", root, base))
    if pack == "tar":
        return plain
    archive = plain.with_name(f"{plain.name}.gz")
    with plain.open("rb") as source, gzip.open(archive, "wb", compresslevel=1) as stream:
        shutil.copyfileobj(source, stream)
    plain.unlink()
    return archive
