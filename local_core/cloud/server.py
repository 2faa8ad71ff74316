"""The local cloud's process: ``local_core.cloud.server DATA [temporary]``.

Its parent uses its standard input and output, with one JSON object per line. It writes
``{"ready": {…addresses}}`` once, and answers each ``{"do": "stop" | "start", "part": …}`` with
``{"done": true}`` or ``{"error": "…"}``. When its input ends, because the parent is gone or has
closed it, the process ends everything that it started, and deletes its data if temporary.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import shutil
import sys
from pathlib import Path

from . import emulator as ministack
from .assembly import Parts
from .parent_process import ParentProcess
from .ports import ReservedPort


async def serve(parent: ParentProcess, data: Path, *, is_temporary: bool) -> None:
    """Run the cloud until the parent is gone."""
    orders = parent.listen()
    ports = {name: ReservedPort() for name in ("http", "mqtt", "credentials")}
    ministack.configure(port=ports["http"].number, data=data)
    parts = Parts(data=data, ports={name: port.number for name, port in ports.items()})
    await parts.start_all()
    gc.freeze()
    gc.enable()
    parent.say({"ready": parts.addresses})
    while (order := await orders.get()) is not None:
        try:
            await parts.control(order["do"], order["part"])
            parent.say({"done": True})
        except (KeyError, OSError) as error:
            parent.say({"error": f"{type(error).__name__}: {error}"})
    await parts.stop_all()
    if is_temporary:
        shutil.rmtree(data, ignore_errors=True)
    # The event loop would wait for worker threads, and one may be waiting for a Lambda function.
    parent.end_group(0)


def main() -> None:
    """Run the process."""
    gc.disable()  # until all is loaded, which then stays
    parent = ParentProcess()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        asyncio.run(serve(parent, Path(sys.argv[1]), is_temporary="temporary" in sys.argv[2:]))
    except Exception:
        logging.exception("The local cloud ends")  # the last line that the parent shows
    finally:
        parent.end_group(1)


if __name__ == "__main__":
    main()
