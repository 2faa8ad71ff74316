"""Opens streams and videos through PyAV, and finds out why one cannot be opened."""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Mapping
from urllib.parse import urlsplit

import av
from av.error import ExitError, FFmpegError, HTTPUnauthorizedError, InvalidDataError

from ...redaction import one_line
from ..listing import closed_folder
from ..specification import MAX_PIXELS, Stream
from .attempt import AccessRefusedError
from .decoding import AvCapture
from .demand import Demand
from .http_client import MISSING, WRONG, untrusted

OPEN_SECONDS = 6.0

NO_VIDEO = "it answers, but with no video that can be decoded"
NO_DASH = (
    "it answers with XML, not with video; if it is DASH: FFmpeg in PyAV for Python 3.9 and newer "
    "cannot read it, so use HLS or RTSP"
)
# These are given as `container_options`: with `options`, PyAV before 17 frees what it did not
# allocate when streams are found while the format is analysed.
# Measuring the frame rate would take seconds, and parameters may come with the first key frame.
_LIVE = {"fpsprobesize": "0", "analyzeduration": "1000000"}
_ADVICE = {
    "301": "write the address that it has moved to",
    "403": "the user may not see this stream",
    "404": "check the path in imageSource",
    "454": "check the path in imageSource, where there may be no video",
    "503": "it may have as many viewers as it can serve",
}
# A playlist names further files, which FFmpeg requests without verifying their servers.
_WHOLE_FORMATS = (
    "mp4,matroska,mpegts,mpeg,mpegvideo,m4v,avi,flv,ogg,asf,mxf,nut,gif,mjpeg,mpjpeg,"
    "h264,hevc,ivf,obu"
)
_PLAYLIST = (
    "it is a playlist (HLS, DASH), and FFmpeg cannot verify the servers of the files in it: leave "
    "out what stands after #, or use a stream without a playlist"
)
_MAX_CHARACTERS = 4096
_ATTACHED_PICTURE = 0x400  # AV_DISPOSITION_ATTACHED_PIC
_REFUSAL = re.compile(r"method \w{1,20} failed: (?P<code>\d{3}) \(?(?P<text>[^)]{0,200})")
_CERTIFICATE = re.compile(r"certificate failed verification|does not match hostname")
_VERIFYING_FORMATS = 62
"""Major version of libavformat since which FFmpeg verifies the certificates of RTSP servers."""

# FFmpeg's messages, which may contain passwords, are read here and go nowhere else.
logging.getLogger("libav").propagate = False
logging.getLogger("libav").addHandler(logging.NullHandler())
av.logging.set_level(av.logging.WARNING)
av.logging.set_skip_repeated(False)


def can_verify(url: str) -> bool:
    """Return whether this FFmpeg verifies the certificate of the server at ``url``."""
    is_rtsp = url.startswith("rtsps:")
    return not is_rtsp or av.library_versions["libavformat"][0] >= _VERIFYING_FORMATS


def reads_dash() -> bool:
    """Return whether this FFmpeg reads DASH, for which it needs libxml2."""
    try:
        av.format.ContainerFormat("dash", "r")
    except ValueError:
        return False
    return True


def open_stream(stream: Stream, demand: Demand, read_seconds: float) -> AvCapture:
    """Open a stream over the network, whose next picture may take ``read_seconds``.

    Raises:
        OSError: if it does not answer in time, refuses, or is not a video.
    """
    started = time.monotonic()
    with av.logging.Capture() as log:
        limits = (OPEN_SECONDS, read_seconds)
        try:
            container = _opened(stream.url, container_options=_options(stream), timeout=limits)
        except FFmpegError as error:
            is_late = isinstance(error, ExitError) or time.monotonic() - started >= OPEN_SECONDS
            said = "".join(text for _, _, text in log)[-_MAX_CHARACTERS:]
            raise _reason(stream.url, error, said, is_late) from None
    return _captured(container, NO_VIDEO, demand=demand, read_seconds=read_seconds)


def open_body(body: Any, demand: Demand) -> AvCapture:
    """Open a stream that ``body`` is read for; it is closed with the capture.

    Raises:
        OSError: if it is not a video, or reading fails.
    """
    try:
        container = _opened(body, container_options=_LIVE)
    except FFmpegError:
        body.close()
        raise OSError(NO_VIDEO) from None
    except BaseException:
        body.close()
        raise
    return _captured(container, NO_VIDEO, demand=demand, body=body)


def _opened(source: Any, **options: Any) -> Any:
    """Open what PyAV may take, though names and titles in it may be in any encoding."""
    return av.open(source, metadata_errors="replace", **options)


def file_fault(path: str) -> str:
    """Return why a file cannot be read, or an empty text."""
    if os.access(path, os.R_OK):
        return "" if Path(path).is_file() else "it is not a file"
    if closed_folder(path) or os.path.lexists(path):
        return "may not be read by this user; let the component's user read it"
    return "there is no such file"


def open_video(path: str, demand: Demand | None = None) -> AvCapture:
    """Open a video file; without ``demand``, each of its pictures is decoded.

    Raises:
        OSError: if it is not a video that FFmpeg can decode.
    """
    try:
        container = _opened(f"file:{path}")  # a name may look like a protocol
    except FFmpegError:
        raise OSError(file_fault(path) or "it is not a video") from None
    return _captured(container, "it is not a video", ends=True, demand=demand)


def _captured(
    container: Any,
    otherwise: str,
    *,
    demand: Demand | None,
    ends: bool = False,
    body: Any = None,
    read_seconds: float | None = None,
) -> AvCapture:
    """Return the capture of the video in ``container``, or raise ``otherwise``."""
    try:
        stream = _video_of(container, ends)
        if stream is None:
            raise OSError(otherwise)
        size = stream.codec_context.width, stream.codec_context.height
        if size[0] * size[1] > MAX_PIXELS:
            raise OSError(f"its pictures of {size[0]}x{size[1]} pixels are too large")
        _leave_others(container, stream)
        return AvCapture(
            container,
            stream,
            ends=ends,
            demand=demand,
            body=body,
            read_seconds=read_seconds,
        )
    except BaseException:
        container.close()
        if body is not None:
            body.close()
        raise


def _video_of(container: Any, ends: bool) -> Any:
    """Return the first video that can be decoded and is not the cover of some music, or None."""
    for stream in container.streams.video:
        if stream.codec_context is not None and not (ends and _is_cover(stream)):
            return stream
    return None


def _leave_others(container: Any, stream: Any) -> None:
    """Let FFmpeg not read the other streams: the variants of a playlist are files of their own."""
    for other in container.streams:
        if other is not stream:
            with suppress(AttributeError):  # before version 17, PyAV offers no choice
                other.discard = av.stream.Discard.all


def _is_cover(stream: Any) -> bool:
    try:
        return bool(stream.disposition.value & _ATTACHED_PICTURE)
    except AttributeError:  # PyAV for Python 3.8
        return stream.average_rate is None and stream.codec_context.name in ("mjpeg", "png")


def _options(stream: Stream) -> Mapping[str, str]:
    """Return FFmpeg's options for a stream.

    RTSP over TCP: a lost UDP packet smears the picture. A server without TCP is asked for UDP.
    https://ffmpeg.org/ffmpeg-protocols.html#rtsp
    """
    options = dict(_LIVE)
    if stream.url.startswith("rtsp"):
        options.update(rtsp_flags="prefer_tcp", allowed_media_types="video")
    if stream.tls.verify:
        options.update(tls_verify="1", ca_file=stream.tls.authorities())
        if stream.url.startswith("http"):
            options["format_whitelist"] = _WHOLE_FORMATS
    return options


def _reason(url: str, error: FFmpegError, said: str, is_late: bool) -> OSError:
    """Return why a stream cannot be opened, without credentials; ``said`` is FFmpeg's log."""
    refusal = _REFUSAL.search(said)
    if isinstance(error, HTTPUnauthorizedError) or (refusal and refusal["code"] == "401"):
        return AccessRefusedError(MISSING if urlsplit(url).username is None else WRONG)
    if refusal:
        advice = _ADVICE.get(refusal["code"], "")
        text = one_line(f"the server answers {refusal['code']} {refusal['text']}")
        return OSError(f"{text}: {advice}" if advice else text)
    if _CERTIFICATE.search(said):
        return OSError(untrusted(one_line(said.splitlines()[-1])))
    if "not on whitelist" in said:
        return OSError(_PLAYLIST)
    if "Failed to resolve hostname" in said:
        return OSError(f"its host name is not known ({one_line(said.rpartition(': ')[2])})")
    if is_late:
        return OSError("it does not answer in time")
    if isinstance(error, InvalidDataError):
        return OSError(NO_VIDEO)
    return OSError(one_line(f"it cannot be reached: {error.strerror}"))
