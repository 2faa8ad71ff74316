"""GStreamer's RTSP server with a test picture: ``rtsp_server.py PORT [SCHEME USER PASSWORD]``.

SCHEME is ``basic`` or ``digest``. With ``udp LOSS`` in place of these, it sends over UDP alone, and
loses that share of the packets. Runs in the system's Python, where Debian puts
GStreamer's bindings.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

PICTURE = "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1"
ENCODERS = {
    "openh264enc": "openh264enc gop-size=15 ! rtph264pay name=pay0",
    "vp8enc": "vp8enc deadline=1 keyframe-max-dist=15 ! rtpvp8pay name=pay0",
}
"""The first that GStreamer has is taken; H.264 is what cameras send."""

ROLE = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"


def require() -> Any:
    """Return GStreamer's modules; ends the process if something is missing."""
    gi = importlib.import_module("gi")
    for name in ("Gst", "GstRtsp", "GstRtspServer"):
        gi.require_version(name, "1.0")
    for name in ("Gst", "GstRtsp", "GstRtspServer", "GLib"):
        importlib.import_module(f"gi.repository.{name}")
    modules = importlib.import_module("gi.repository")
    modules.Gst.init(None)
    if not encoder(modules.Gst):
        sys.exit("GStreamer can encode no video")
    return modules


def encoder(gst: Any) -> str:
    """Return the elements that encode, or nothing if there are none."""
    found = (text for name, text in ENCODERS.items() if gst.ElementFactory.find(name))
    return next(found, "")


def serve(port: str, *credentials: str) -> None:
    """Serve until killed."""
    modules = require()
    rtsp = modules.GstRtspServer
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = rtsp.RTSPMediaFactory()
    launch = f"{PICTURE} ! {encoder(modules.Gst)}"
    if credentials[:1] == ("udp",):
        lossy = f"mtu=200 ! identity drop-probability={credentials[1]} name=pay0"
        launch = launch.replace("name=pay0", lossy)
        factory.set_protocols(modules.GstRtsp.RTSPLowerTrans.UDP)
    factory.set_launch(f"( {launch} )")
    factory.set_shared(True)
    if len(credentials) == 3:
        token = rtsp.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        scheme, user, password = credentials
        auth = rtsp.RTSPAuth()
        if scheme == "digest":
            auth.set_supported_methods(modules.GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(user, password, token)
        else:
            auth.add_basic(rtsp.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
        factory.add_role_from_structure(modules.Gst.Structure.from_string(ROLE)[0])
    server.get_mount_points().add_factory("/test", factory)
    server.attach(None)
    modules.GLib.MainLoop().run()


if __name__ == "__main__":
    serve(*sys.argv[1:])
