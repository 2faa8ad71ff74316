"""The socket that functions reach the core by, and the tokens that tell them apart."""

from __future__ import annotations

import secrets
import select
import socket
import threading
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path

from ..errors import LocalCoreError
from ..ipc.server import MAX_SOCKET_PATH_BYTES
from .arns import ROUTER
from .invocations import Invocation, InvocationQueue, QueueFullError, Result
from .router import RouterService, UnknownFunctionError
from .runtime.greengrass_ipc_python_sdk.wire import NO_CONTENT, OK, Fields, WireError, receive, send

RESULT_SECONDS = 25.0
"""How long an invocation may take before its caller gets a timeout."""
_POLL_SECONDS = 0.5
_REFUSALS = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 503: "Service Unavailable"}

Reply = tuple[Fields, bytes]


class CallRefusedError(LocalCoreError):
    """A request that is answered with a status and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class _Caller:
    """The process of a function, known by its token and by nothing that it claims."""

    arn: str
    inbox: InvocationQueue
    process: int


class V1IpcServer:
    """Serves functions on a Unix socket: one request and one thread per connection."""

    def __init__(self, socket_path: Path, router: RouterService) -> None:
        if len(bytes(socket_path)) > MAX_SOCKET_PATH_BYTES:
            raise ValueError(
                f"socket path longer than {MAX_SOCKET_PATH_BYTES} bytes: {socket_path}"
            )
        self.socket_path = socket_path
        self._router = router
        self._lock = threading.Lock()
        self._callers: dict[str, _Caller] = {}
        self._invocations: dict[str, Invocation] = {}
        self._serving: set[threading.Thread] = set()
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    def register(self, arn: str, inbox: InvocationQueue) -> str:
        """Return the token for a new process of a function; that of an earlier one ends."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._callers = {t: one for t, one in self._callers.items() if one.arn != arn}
            self._callers[token] = _Caller(arn, inbox, inbox.renew())
        return token

    def __enter__(self) -> V1IpcServer:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.socket_path))
        self.socket_path.chmod(0o600)
        self._listener.listen(64)
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener,), name="v1-accept", daemon=True
        )
        self._acceptor.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop serving. Queues must be closed first, so that no request waits for work."""
        if self._listener is not None and self._acceptor is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # A close alone does not wake accept().
            self._acceptor.join()
            self._listener.close()
        with self._lock:
            serving = list(self._serving)
            for work in self._invocations.values():
                work.finish(Result.failure("Unhandled", "the core is stopping"))
        for thread in serving:
            thread.join(timeout=_POLL_SECONDS)
        self.socket_path.unlink(missing_ok=True)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # __exit__ shut the listener down.
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="v1-request", daemon=True
            )
            with self._lock:
                self._serving.add(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                fields, payload = receive(connection)
                try:
                    reply, result = self._answer(connection, fields, payload)
                except CallRefusedError as error:
                    reason = f"{_REFUSALS[error.status]}: {error}"
                    reply, result = {"status": error.status, "reason": reason}, b""
                send(connection, reply, result)
        except (OSError, WireError):
            pass  # The process is gone; FunctionProcess restarts it.
        finally:
            with self._lock:
                self._serving.discard(threading.current_thread())

    def _answer(self, connection: socket.socket, fields: Fields, payload: bytes) -> Reply:
        with self._lock:
            caller = self._callers.get(str(fields.get("token")))
        if caller is None:
            raise CallRefusedError(403, "no function of this core has this token")
        match fields:
            case {"action": "post_work", "function": str(arn), "context": str(), "type": str()}:
                return self._post_work(caller, arn, fields, payload)
            case {"action": "get_work_result", "id": str(work_id)}:
                return self._result(work_id)
            case {"action": "get_work"}:
                return self._next_work(caller, connection)
            case {"action": "post_work_result", "id": str(work_id), "error": str(error)}:
                caller.inbox.finish(work_id, Result(payload, error))
                return {"status": OK}, b""
        raise CallRefusedError(400, "no such request")

    def _post_work(self, caller: _Caller, arn: str, fields: Fields, payload: bytes) -> Reply:
        work = Invocation(payload, fields["context"])
        wanted = fields["type"] != "Event"
        try:
            if arn == ROUTER:
                self._publish(caller, work)
                return {"status": OK, "id": work.id}, b""
            if wanted:
                with self._lock:
                    self._invocations[work.id] = work
            self._router.invoke(arn, work)
        except UnknownFunctionError as error:
            self._forget(work.id)
            raise CallRefusedError(404, str(error)) from None
        except QueueFullError:
            self._forget(work.id)
            raise CallRefusedError(503, f"the queue of {arn} is full") from None
        return {"status": OK, "id": work.id}, b""

    def _publish(self, caller: _Caller, work: Invocation) -> None:
        """Publish for the function whose process it is, whatever source the context names."""
        subject = work.custom.get("subject")
        if not isinstance(subject, str) or not subject:
            raise CallRefusedError(400, "a message without a topic")
        strict = work.custom.get("queueFullPolicy") == "AllOrError"
        self._router.publish(caller.arn, subject, work.payload, all_or_error=strict)

    def _result(self, work_id: str) -> Reply:
        with self._lock:
            work = self._invocations.get(work_id)
        if work is None:
            raise CallRefusedError(404, f"there is no invocation {work_id}")
        try:
            result = work.done.result(RESULT_SECONDS)
        except FutureTimeout:
            result = Result.failure("Unhandled", f"timed out after {RESULT_SECONDS:g} s")
        self._forget(work_id)
        return {"status": OK, "error": result.error}, result.payload

    def _next_work(self, caller: _Caller, connection: socket.socket) -> Reply:
        work = caller.inbox.take(caller.process, lambda: _is_open(connection), _POLL_SECONDS)
        if work is None:
            return {"status": NO_CONTENT}, b""
        reply = {"status": OK, "id": work.id, "context": work.client_context}
        return reply, work.payload

    def _forget(self, work_id: str) -> None:
        with self._lock:
            self._invocations.pop(work_id, None)


def _is_open(connection: socket.socket) -> bool:
    """Return whether the client still waits; it sends nothing more, so any event is its end."""
    return not select.select([connection], [], [], 0)[0]
