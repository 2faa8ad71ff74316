"""Writes an export: the images first, then the files that name them, none over another file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import MliError
from ..view.pictures import PictureError, Pictures, size_of
from .download import download, write_new
from .exports import WITH_IMAGES, image_paths, written_files
from .labelled import Labelled
from .stored import StoredSample


def export(
    s3: Any,
    form: str,
    labelled: Labelled,
    folder: Path,
    pictures: Pictures,
    progress: Callable[[int], None],
) -> list[Path]:
    """Write an export to ``folder``; return its files besides the images.

    It can be repeated after an interruption: images that are there are not fetched again, and a
    file with the same content stays. The last file is there only if all others are.

    Raises:
        MliError: if the export is there already, or a file with other content, or of another one.
    """
    created = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    paths = image_paths(form, labelled) if form in WITH_IMAGES else {}
    unknown = {one.object.uri: (1, 1) for one in labelled.samples}
    planned = written_files(form, labelled, unknown, created)
    *_, last = planned
    if (folder / last).exists():
        raise _existing(folder / last)
    if form == "yolo":
        _refuse_others(folder, {*map(str, paths.values()), *planned})
    if form == "yolo" and not labelled.is_detection:
        _create_classes(folder, paths.values())
    if paths:
        objects = [one.object for one in labelled.samples]
        download(s3, objects, lambda one: folder / paths[one.uri], folder, progress)
    sizes = {
        one.object.uri: _size(one, folder / paths[one.object.uri] if paths else None, pictures)
        for one in (labelled.samples if form in ("coco", "ground-truth") else ())
    }
    content = written_files(form, labelled, {**unknown, **sizes}, created)
    encoded = {
        folder / name: text.encode(errors="backslashreplace") for name, text in content.items()
    }
    for file, data in encoded.items():
        if file.exists() and file.read_bytes() != data:
            raise _existing(file)
    for file, data in encoded.items():
        if not file.exists():
            try:
                write_new(file, data)
            except FileExistsError:
                raise _existing(file) from None
    return list(encoded)


def _refuse_others(folder: Path, names: set[str]) -> None:
    """Refuse files of another export: who trains with YOLO's form takes all files of a folder."""
    for part in {Path(name).parts[0] for name in names}:
        for file in (folder / part).rglob("*"):
            is_other = str(file.relative_to(folder)) not in names
            if file.is_file() and is_other and not file.name.startswith("."):
                raise MliError(f"{file} is of another export: export into another folder")


def _create_classes(folder: Path, paths: Iterable[PurePosixPath]) -> None:
    """Give each part the folders of all classes: trainers number the folders that they find."""
    known = list(paths)
    for part in {path.parts[0] for path in known}:
        for label in {path.parent.name for path in known}:
            (folder / part / label).mkdir(parents=True, exist_ok=True)


def _existing(file: Path) -> MliError:
    return MliError(f"{file} exists: export into another folder, or remove it")


def _size(one: StoredSample, file: Path | None, pictures: Pictures) -> tuple[int, int]:
    """Return width and height of an image, as it is shown: of the file, or as its sample says."""
    if file is not None:
        try:
            return size_of(file)
        except PictureError as error:
            raise MliError(f"{file}, from {one.object.uri}: {error}") from None
    if one.about.size is not None:
        return one.about.size
    try:
        return pictures.size(one.object.uri)
    except PictureError as error:
        raise MliError(str(error)) from None
