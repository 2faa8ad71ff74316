"""Runs one GStreamer pipeline in its own process, so that a crash of an element ends only that.

:mod:`gstreamer` starts it as a script. It reads the pipeline from standard input, because other
users could see passwords in its arguments. It runs the pipeline until that ends or fails, or the
input is closed. ``{data}`` in it is the descriptor of standard output. What elements and drivers
print is discarded; the reason for the end is one line on standard error.

It uses GStreamer's library directly, because pip cannot install its Python package.
https://gstreamer.freedesktop.org/documentation/gstreamer/gstparse.html
"""

from __future__ import annotations

import ctypes
import os
import select

LIBRARY = "libgstreamer-1.0.so.0"

_PLAYING = 4  # GST_STATE_PLAYING
_EOS, _ERROR = 1 << 0, 1 << 1  # GstMessageType
_LOOK_NANOSECONDS = 200_000_000


class _GError(ctypes.Structure):
    """GLib's ``GError``."""

    _fields_ = (
        ("domain", ctypes.c_uint32),
        ("code", ctypes.c_int),
        ("message", ctypes.c_char_p),
    )


def run(pipeline: str) -> str:
    """Run ``pipeline`` until it ends, and return the reason."""
    gst = _library()
    gst.gst_init(None, None)
    fault = ctypes.POINTER(_GError)()
    element = gst.gst_parse_launch(pipeline.encode(), ctypes.byref(fault))
    if fault or not element:
        return _text(fault)
    bus = gst.gst_element_get_bus(element)
    gst.gst_element_set_state(element, _PLAYING)
    while not _is_input_closed():
        message = gst.gst_bus_timed_pop_filtered(bus, _LOOK_NANOSECONDS, _EOS | _ERROR)
        if message:
            return _why(gst, message)
    return ""


def _why(gst: ctypes.CDLL, message: int) -> str:
    fault, details = ctypes.POINTER(_GError)(), ctypes.c_char_p()
    gst.gst_message_parse_error(message, ctypes.byref(fault), ctypes.byref(details))
    if not fault:
        return "it ended"
    last = (details.value or b"").decode("utf-8", "replace").rpartition("\n")[2]
    return f"{_text(fault)} {last}".strip()


def _library() -> ctypes.CDLL:
    gst = ctypes.CDLL(LIBRARY)
    pointer, error = ctypes.c_void_p, ctypes.POINTER(ctypes.POINTER(_GError))
    gst.gst_parse_launch.restype = gst.gst_element_get_bus.restype = pointer
    gst.gst_bus_timed_pop_filtered.restype = pointer
    gst.gst_parse_launch.argtypes = (ctypes.c_char_p, error)
    gst.gst_element_get_bus.argtypes = (pointer,)
    gst.gst_element_set_state.argtypes = (pointer, ctypes.c_int)
    gst.gst_bus_timed_pop_filtered.argtypes = (pointer, ctypes.c_uint64, ctypes.c_int)
    gst.gst_message_parse_error.argtypes = (
        pointer,
        error,
        ctypes.POINTER(ctypes.c_char_p),
    )
    return gst


def _text(fault: ctypes._Pointer[_GError]) -> str:
    message = fault.contents.message if fault else None
    return message.decode("utf-8", "replace") if message else "the pipeline cannot be made"


def _is_input_closed() -> bool:
    """Return whether the component has ended, even if it was killed."""
    ready, _, _ = select.select([0], [], [], 0)
    return bool(ready) and not os.read(0, 1)


def main() -> None:
    """Run the pipeline on the first line of the standard input."""
    with open(0, "rb", buffering=0, closefd=False) as lines:
        text = lines.readline().decode()
    data, reason_pipe = os.dup(1), os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # a driver that prints to it, as NVIDIA's does, would damage the frames
    os.dup2(null, 2)
    why = run(text.replace("{data}", str(data)))
    os.write(reason_pipe, why.encode("utf-8", "replace")[:4096])
    os._exit(0)  # do not wait for elements that hang


if __name__ == "__main__":
    main()
