"""GStreamer's RTSP server with a test picture: ``rtsp_server.py PORT [USER PASSWORD]``.

Runs in the system's Python, where Debian puts GStreamer's bindings.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

PIPELINE = (
    "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1 ! "
    "openh264enc gop-size=15 ! rtph264pay name=pay0 )"
)
ROLE = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"


def require() -> Any:
    """Return GStreamer's modules; ends the process if something is missing."""
    gi = importlib.import_module("gi")
    for name in ("Gst", "GstRtspServer"):
        gi.require_version(name, "1.0")
    for name in ("Gst", "GstRtspServer", "GLib"):
        importlib.import_module(f"gi.repository.{name}")
    modules = importlib.import_module("gi.repository")
    modules.Gst.init(None)
    for element in ("openh264enc", "rtph264pay", "videotestsrc"):
        if not modules.Gst.ElementFactory.find(element):
            sys.exit(f"GStreamer has no {element}")
    return modules


def serve(port: str, *credentials: str) -> None:
    """Serve until killed."""
    modules = require()
    rtsp = modules.GstRtspServer
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = rtsp.RTSPMediaFactory()
    factory.set_launch(PIPELINE)
    factory.set_shared(True)
    if credentials:
        token = rtsp.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth = rtsp.RTSPAuth()
        auth.add_basic(rtsp.RTSPAuth.make_basic(*credentials), token)
        server.set_auth(auth)
        factory.add_role_from_structure(modules.Gst.Structure.from_string(ROLE)[0])
    server.get_mount_points().add_factory("/test", factory)
    server.attach(None)
    modules.GLib.MainLoop().run()


if __name__ == "__main__":
    serve(*sys.argv[1:])
