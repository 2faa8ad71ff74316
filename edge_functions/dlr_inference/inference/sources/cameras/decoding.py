"""The pictures of a video stream that PyAV reads: all of them, or key frames alone."""

from __future__ import annotations

import struct
import time
from collections import deque
from contextlib import suppress
from typing import Any, Mapping

import av
from av.error import EOFError as EndOfFileError
from av.error import ExitError, FFmpegError
from av.video.reformatter import VideoReformatter

from ...errors import FrameError
from ...vision.orientation import UPRIGHT, Orientation, of_matrix, turned
from ..specification import MAX_PIXELS
from . import attempt
from .attempt import EndOfVideo, SmearedFrameError, Still, no_picture_for
from .demand import Demand
from .key_frames import KeyFrames

FIRST_PICTURE_SECONDS = 10.0
"""How long a stream may take to its first key frame, or from damage to the next key frame."""

_MATRIX = "DISPLAYMATRIX"
_TINY = 16
_LOST = "RTP: missed"
# Two threads take three times the work of one; older versions of PyAV do not offer the choice.
_VERSION = int(av.__version__.partition(".")[0])
_ON_THIS_THREAD = {"threads": 1} if _VERSION >= 17 else {}
_MATRICES = {1: "ITU709", 4: "FCC", 7: "SMPTE240M"}
"""Matrices that a stream may name and FFmpeg does not use by default, by FFmpeg's numbers."""


class AvCapture:
    """Pictures of one video stream of a PyAV container, to be used by the thread that creates it.

    Decoding a picture needs all pictures since the last key frame. While key frames come at least
    twice as often as pictures are requested, they alone are decoded, and of them only those that no
    later one will replace before the request.

    After damage, such as a lost packet, pictures build on damaged ones until the next key frame:
    they are refused, though FFmpeg reports an error for the first one only.
    """

    def __init__(
        self,
        container: Any,
        stream: Any,
        *,
        ends: bool,
        demand: Demand | None = None,
        body: Any = None,
        read_seconds: float | None = None,
    ) -> None:
        """Take over an open ``container``. Without ``demand`` each picture is decoded.

        ``ends``: it has a last picture, as a file has. ``body`` is what PyAV reads it from, if that
        is to be told how long a picture may take, and closed with it. That is ``read_seconds``, or
        ``attempt.READ_SECONDS``.
        """
        self.frame_rate = float(stream.average_rate or 0) if ends else 0.0
        self.lead_seconds: float | None = 0.0
        self._container = container
        self._stream = stream
        self._packets = container.demux()
        self._codec = stream.codec_context
        self._codec.thread_count = 1  # each further thread would delay the picture by a frame
        self._codec.options = {"max_pixels": str(MAX_PIXELS)}
        self._converter = VideoReformatter()
        self._orientation: Orientation | None = None
        self._ends = ends
        self._body = body
        self._read_seconds = attempt.READ_SECONDS if read_seconds is None else read_seconds
        self._demand = demand
        self._keys = KeyFrames() if demand is None else KeyFrames(demand.clock)
        self._decoded: deque[Any] = deque()
        self._picture: Any = None
        self._key_packet: Any = None
        self._pictures = 0
        self._in_step = True
        self._damaged = False
        self._was_corrupt = False  # a gap is reported for the packet before it or for its own
        self._is_doubtful = False
        self._log = av.logging.Capture()
        self._said = self._log.__enter__()
        self._has_times: bool | None = None
        self._order = 0
        self._sound_from: int | None = None
        self._sound_since = time.monotonic()  # while all pictures are decoded

    def grab(self) -> None:
        """Wait for the next picture, and decode it unless only key frames are."""
        self._picture = self._key_packet = None
        while not self._decoded:
            packet = self._next_packet()
            if packet.size and self._takes_only_keys():
                self._skip_to(packet)
                return
            if packet.size and not self._in_step:
                if not packet.is_keyframe:
                    self.lead_seconds = None
                    return
                self._codec.flush_buffers()
                self._in_step = True
                self._sound_since = time.monotonic()
            self._decode(packet)
        self._picture = self._decoded.popleft()
        self.lead_seconds = 0.0
        self._check(self._picture)
        self._pictures += 1

    def retrieve(self) -> Still:
        """Convert the picture, and decode it if it is a key frame that was left."""
        started = time.perf_counter()
        picture = self._picture if self._key_packet is None else self._decode_key()
        try:
            how = {**_coding_of(picture), **_ON_THIS_THREAD}
            converted = self._converter.reformat(picture, format="bgr24", **how)
            image = turned(converted.to_ndarray(), self._turn(picture))
        except (FFmpegError, ValueError) as error:
            raise FrameError(f"cannot be converted: {error}") from None
        return Still(image, None, (time.perf_counter() - started) * 1e3)

    def close(self) -> None:
        """Close the file or connection."""
        self._log.__exit__(None, None, None)
        self._packets.close()
        self._container.close()
        if self._body is not None:
            self._body.close()

    def _turn(self, picture: Any) -> Orientation:
        """Return how pictures are turned to be upright: all of them as the first one."""
        if self._orientation is None:
            self._orientation = _orientation(picture)
        return self._orientation

    def _takes_only_keys(self) -> bool:
        if self._demand is None or not self._pictures:
            return False
        distance = self._keys.distance
        return distance is not None and 2 * distance <= self._demand.pause

    def _skip_to(self, packet: Any) -> None:
        """Leave ``packet`` undecoded; a key frame can be decoded by :meth:`retrieve`."""
        self._in_step = False
        self._decoded.clear()
        self._key_packet = packet if packet.is_keyframe else None
        self.lead_seconds = self._keys.distance if packet.is_keyframe else None

    def _next_packet(self) -> Any:
        """Return the next packet; one without data says that there is no other."""
        started = time.monotonic()
        if self._body is not None:
            self._body.expect_within(self._read_seconds)
        try:
            packet = self._next_of_video(started)
        except ExitError:
            raise OSError(no_picture_for(time.monotonic() - started)) from None
        except FFmpegError as error:
            self._packets = self._container.demux()
            self._note_damage()
            if isinstance(error, OSError) or not self._ends:
                raise OSError(error.strerror) from None
            raise FrameError(f"is damaged: {error.strerror}") from None
        except StopIteration:
            self._raise_end()
        self._give_time(packet)
        if packet.size and packet.is_keyframe:
            self._keys.note()
            self._sound_from = packet.pts
        self._is_doubtful = packet.is_corrupt or self._was_corrupt or self._lost_packets()
        self._was_corrupt = packet.is_corrupt
        if self._is_doubtful:
            self._note_damage()
        return packet

    def _next_of_video(self, started: float) -> Any:
        """Return the next packet that is not of another stream, such as of sound without end.

        What comes too late was left over: a read that is given up returns it first.
        """
        while True:
            packet = next(self._packets)
            seconds = time.monotonic() - started
            if not self._ends and seconds > self._read_seconds:
                raise OSError(no_picture_for(seconds))
            if packet.stream_index == self._stream.index:
                return packet

    def _give_time(self, packet: Any) -> None:
        """Let the order of packets take the place of their times in a stream without any."""
        if packet.size and self._has_times is None:
            self._has_times = packet.pts is not None
        if packet.size and not self._has_times:
            packet.pts = self._order
            self._order += 1

    def _lost_packets(self) -> bool:
        """Return whether FFmpeg has said that packets of RTP are missing: it marks no picture."""
        is_lost = any(_LOST in text for _, _, text in self._said)
        self._said.clear()
        return is_lost

    def _raise_end(self) -> None:
        if not self._ends:
            raise OSError("it ended")
        if not self._pictures and self._damaged:
            raise OSError("all frames of it are damaged")
        if not self._pictures:
            name = self._codec.name
            raise OSError(f"no frame of it can be decoded: convert its codec {name} to H.264")
        raise EndOfVideo

    def _decode(self, packet: Any) -> None:
        try:
            self._decoded.extend(self._codec.decode(packet if packet.size else None))
        except EndOfFileError:
            self._raise_end()  # it was emptied before
        except FFmpegError as error:
            self._check_patience()
            if self._pictures:  # until then, the key frame that the others need has not come
                self._note_damage()
                raise FrameError(f"cannot be decoded: {error.strerror}") from None

    def _decode_key(self) -> Any:
        """Return the picture of a key frame at once, though the decoder would wait for more."""
        packet, self._key_packet = self._key_packet, None
        try:
            pictures = [*self._codec.decode(packet), *self._codec.decode(None)]
        except FFmpegError as error:
            raise FrameError(f"cannot be decoded: {error.strerror}") from None
        finally:
            self._codec.flush_buffers()
        if not pictures or self._is_doubtful or pictures[0].is_corrupt:
            raise FrameError("is damaged")
        self._pictures += 1
        return pictures[0]

    def _note_damage(self) -> None:
        """Refuse what is decoded from now on, until a key frame that has not arrived yet."""
        self._damaged = True
        self._sound_from = None

    def _check(self, picture: Any) -> None:
        """Raise FrameError for a picture that is damaged, or may build on a damaged one.

        Pictures leave the decoder in another order than they enter it, so their times tell which
        ones belong to the last key frame.
        """
        is_new = self._sound_from is not None and picture.pts is not None
        is_new = is_new and picture.pts >= self._sound_from
        if picture.is_corrupt:
            self._damaged = True
            self._sound_from = None if is_new else self._sound_from
            self._check_patience()
            raise FrameError("is damaged")
        if self._damaged and not is_new:
            self._check_patience()
            raise SmearedFrameError("builds on a damaged one")
        self._damaged = False
        self._sound_since = time.monotonic()

    def _check_patience(self) -> None:
        """Give a stream up that has had no sound picture for long: another may begin with one."""
        seconds = time.monotonic() - self._sound_since
        if not self._ends and seconds > FIRST_PICTURE_SECONDS:
            raise OSError(no_picture_for(seconds))


def _coding_of(picture: Any) -> Mapping[str, Any]:
    """Return PyAV's options for the matrix by which a picture's colours are coded.

    Before version 17, PyAV uses the matrix only if it differs from that of the result, which has no
    effect on red, green and blue. It then needs the range too.
    """
    matrix = _MATRICES.get(picture.colorspace) if _VERSION < 17 else None
    if matrix is None:
        return {}
    source = {"src_colorspace": matrix, "src_color_range": picture.color_range}
    return {**source, "dst_colorspace": "ITU601"}


def _orientation(picture: Any) -> Orientation:
    """Return what the display matrix of ``picture`` says.

    It is read from a tiny copy: a picture and its side data refer to each other, so PyAV keeps both
    until the garbage is collected, which a few large pictures do not cause.
    """
    tiny: Any = VideoReformatter().reformat(picture, width=_TINY, height=_TINY, format="gray")
    with suppress(KeyError, struct.error):
        return of_matrix(bytes(tiny.side_data[_MATRIX]))
    return UPRIGHT
