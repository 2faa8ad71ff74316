"""A contact sheet of samples: an HTML page in one file, or a PNG."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from local_core.output.terminal import shown_line

from ..errors import MliError
from ..view.drawing import annotated, contact_sheet, jpeg
from ..view.pictures import PictureError, Pictures
from .download import write_new
from .listing import WORKERS
from .stored import StoredSample

MOST: dict[str, int] = {".html": 2_000, ".png": 300}
"""Most samples on a sheet, by its form: what a browser or a viewer of images can still open."""
_SIDE = 640
_COLUMNS = 3
_TEXT = 300
_MARKS = 8
_REASONS = 3
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 1rem; }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr));
  gap: 1rem; padding: 0; list-style: none; }
li { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: 6px;
  overflow: hidden; }
img { display: block; width: 100%; height: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 .6rem; margin: .6rem; }
dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; }
p.gone { margin: 0; padding: 3rem 1rem; text-align: center; }
"""


def write_sheet(
    file: Path,
    samples: Sequence[StoredSample],
    pictures: Pictures,
    title: str,
    progress: Callable[[int], None],
) -> None:
    """Write the sheet, whose form is that of the file's name.

    Raises:
        MliError: if the file exists, or there are too many samples for one.
    """
    if len(samples) > MOST[file.suffix]:
        raise MliError(
            f"--sheet {file}: {len(samples)} samples are too many for one {file.suffix} file; "
            f"add --limit {MOST[file.suffix]}, or other filters"
        )
    if file.exists():
        raise _existing(file)
    with ThreadPoolExecutor(WORKERS) as pool:
        drawn = []
        for done, one in enumerate(pool.map(lambda s: _drawn(s, pictures), samples), start=1):
            drawn.append(one)
            progress(done)
    if file.suffix == ".html":
        content = _page(title, list(zip(samples, drawn, strict=True))).encode(
            errors="backslashreplace"
        )
    else:
        content = _png(list(zip(samples, drawn, strict=True)))
    try:
        write_new(file, content)
    except FileExistsError:
        raise _existing(file) from None


def _existing(file: Path) -> MliError:
    return MliError(f"{file} exists: remove it, or name another file with --sheet")


def _drawn(sample: StoredSample, pictures: Pictures) -> bytes | str:
    """Return the picture with its boxes as a JPEG, or why there is none."""
    try:
        content = pictures.get(sample.object.uri, _SIDE)
    except PictureError as error:
        return str(error)
    with Image.open(io.BytesIO(content)) as image:
        return jpeg(annotated(image, sample.about.marks))


def _page(title: str, tiles: Sequence[tuple[StoredSample, bytes | str]]) -> str:
    items = "\n".join(_item(sample, picture) for sample, picture in tiles)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{_text(title)}</h1>\n<ul>\n{items}\n</ul>\n</body>\n</html>\n"
    )


def _item(sample: StoredSample, picture: bytes | str) -> str:
    found = _predictions(sample)
    if isinstance(picture, str):
        shown = f'<p class="gone">{_text(picture)}</p>'
    else:
        data = base64.b64encode(picture).decode()
        shown = f'<img alt="{_text(found)}" src="data:image/jpeg;base64,{data}">'
    rows = {
        "captured": f"{sample.moment:%Y-%m-%d %H:%M:%S} UTC",
        "core": sample.about.core,
        "source": sample.about.source,
        "kept for": "; ".join(sample.why()),
        "predictions": found,
        "model": sample.model,
        "object": sample.object.uri,
    }
    terms = "".join(
        f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in rows.items() if value
    )
    return f"<li>{shown}<dl>{terms}</dl></li>"


def _predictions(sample: StoredSample) -> str:
    about = sample.about
    if not sample.is_described and not about.marks:
        return ""
    shown = [mark.text for mark in about.marks[:_MARKS]]
    more = len(about.marks) - len(shown) + about.left_out
    return ", ".join([*shown, *([f"and {more} more"] if more else [])]) or "nothing found"


def _text(value: str) -> str:
    """Return text for HTML: characters that are not printable are escaped, as is markup."""
    return html.escape(shown_line(value, _TEXT))


def _png(tiles: Sequence[tuple[StoredSample, bytes | str]]) -> bytes:
    captioned = []
    for sample, picture in tiles:
        if isinstance(picture, str):
            image = Image.new("RGB", (480, 320), "#3a3f45")
        else:
            image = Image.open(io.BytesIO(picture)).convert("RGB")
        lines = [
            picture if isinstance(picture, str) else "",
            *sample.why()[:_REASONS],
            _predictions(sample),
            sample.model,
            f"{sample.about.core} {sample.moment:%Y-%m-%d %H:%M:%S} UTC".strip(),
        ]
        captioned.append(("\n".join(shown_line(line) for line in lines if line), image))
    encoded = io.BytesIO()
    contact_sheet(captioned, columns=_COLUMNS).save(encoded, "PNG")
    return encoded.getvalue()
