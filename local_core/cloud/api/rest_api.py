"""A REST API whose routes, requests and replies come from its service model.

https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from . import service_model
from .errors import ApiError

Request = Mapping[str, Any]
Reply = Mapping[str, Any]
Operation = Callable[[Request], Reply]
Authorize = Callable[[str, str, str, Request], None]
"""Takes a service, an operation, the path in its model and a request; raises if IAM denies it."""


@dataclass(frozen=True)
class HttpReply:
    """An HTTP response."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)

    @classmethod
    def of_json(cls, value: object, status: int = 200) -> HttpReply:
        """Return a reply whose body is ``value`` as JSON."""
        return cls(status=status, body=json.dumps(value).encode())

    @classmethod
    def of_error(cls, error: ApiError) -> HttpReply:
        """Return the reply that an SDK turns into the exception named by the error's code."""
        text = {"__type": error.code, "message": error.message, "Message": error.message}
        body = json.dumps(text).encode()
        kind = (("content-type", "application/json"), ("x-amzn-errortype", error.code))
        return cls(status=error.status, body=body, headers=kind)


class RestApi:
    """The operations of one service, by the names in its model.

    ``fault_code`` is the error by which the service refuses a malformed request. Operations run
    one at a time, under ``lock``: requests come from several threads. ``authorize`` is asked first.
    """

    def __init__(
        self, service: str, operations: Mapping[str, Operation], *, fault_code: str
    ) -> None:
        self._service = service
        self._operations = operations
        self._fault_code = fault_code
        self.lock = threading.RLock()
        self.authorize: Authorize | None = None

    @property
    def _model(self) -> Any:
        return service_model.load(self._service)

    @functools.cached_property
    def _routes(self) -> list[tuple[str, re.Pattern[str], str]]:
        """Method, path and name of each operation that is served, in the model's order."""
        return [
            (*_route(self._model.operation_model(name).http), name)
            for name in self._model.operation_names
            if name in self._operations
        ]

    def call(self, name: str, request: Request) -> Reply:
        """Check ``request`` against the model and run the operation.

        Raises:
            ApiError: if the request is malformed, not allowed, or the service refuses it.
        """
        operation = self._model.operation_model(name)
        shape = operation.input_shape
        found = list(service_model.faults(shape, request)) if shape else []
        if found:
            raise ApiError(self._fault_code, f"{name}: " + "; ".join(found))
        if self.authorize is not None:
            self.authorize(self._service, name, operation.http["requestUri"], request)
        with self.lock:
            return self._operations[name](request)

    def from_template(self, name: str, properties: Mapping[str, Any]) -> Request:
        """Return a resource's properties as the request of operation ``name``."""
        shape = self._model.operation_model(name).input_shape
        request: Request = service_model.from_template(shape, properties)
        return request

    def serves(self, method: str, path: str) -> bool:
        """Return whether an HTTP request is for this API; ``path`` is still percent-encoded."""
        return self._operation_of(method, path) is not None

    def serve(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> HttpReply | None:
        """Answer one HTTP request, or return None if it is not for this API.

        ``path`` is still percent-encoded.
        """
        found = self._operation_of(method, path)
        if found is None:
            return None
        name, match = found
        operation = self._model.operation_model(name)
        try:
            request = _parse(operation.input_shape, match.groupdict(), query, headers, body)
            reply = self.call(name, request)
        except ApiError as error:
            return HttpReply.of_error(error)
        status = operation.http.get("responseCode") or 200
        if operation.output_shape is None:
            return HttpReply(status=status)
        return HttpReply.of_json(_serialised(operation.output_shape, reply), status)

    def _operation_of(self, method: str, path: str) -> tuple[str, re.Match[str]] | None:
        for route_method, pattern, name in self._routes:
            if route_method == method and (match := pattern.fullmatch(path)):
                return name, match
        return None


def _route(http: Mapping[str, str]) -> tuple[str, re.Pattern[str]]:
    pattern = re.escape(http["requestUri"].partition("?")[0])
    pattern = re.sub(r"\\{([\w\\-]+)\\\+\\}", lambda m: f"(?P<{_group(m[1])}>.+)", pattern)
    pattern = re.sub(r"\\{([\w\\-]+)\\}", lambda m: f"(?P<{_group(m[1])}>[^/]+)", pattern)
    return http["method"], re.compile(pattern + "/?")


def _group(name: str) -> str:
    return name.replace("\\", "").replace("-", "_")


def _parse(
    shape: Any,
    segments: Mapping[str, str],
    query: str,
    headers: Mapping[str, str],
    body: bytes,
) -> dict[str, Any]:
    if shape is None:
        return {}
    try:
        content = json.loads(body) if body.strip() else {}
    except ValueError:
        raise ApiError("SerializationException", "the body is not JSON") from None
    parameters = parse_qs(query, keep_blank_values=True)
    request: dict[str, Any] = {}
    for name, member in shape.members.items():
        place = member.serialization.get("location")
        key = member.serialization.get("name", name)
        value: Any = None
        if place == "uri":
            text = segments.get(key.replace("-", "_"))
            value = None if text is None else unquote(text)
        elif place == "querystring":
            given = parameters.get(key)
            value = given if given and member.type_name == "list" else given[0] if given else None
            value = service_model.from_template(member, value)
        elif place == "header":
            value = service_model.from_template(member, headers.get(key.lower()))
        elif isinstance(content, dict) and key in content:
            value = _from_wire(member, content[key])
        if value is not None:
            request[name] = value
    return request


def _from_wire(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        names = {member.serialization.get("name", n): n for n, member in shape.members.items()}
        return {
            names.get(key, key): _from_wire(shape.members[names[key]], item)
            if key in names
            else item
            for key, item in value.items()
        }
    if kind == "list" and isinstance(value, list):
        return [_from_wire(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _from_wire(shape.value, item) for key, item in value.items()}
    if kind == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ApiError("SerializationException", "a blob is not base64") from None
    return value


def _serialised(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return {
            member.serialization.get("name", name): _serialised(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if kind == "list":
        return [_serialised(shape.member, item) for item in value]
    if kind == "map":
        return {key: _serialised(shape.value, item) for key, item in value.items()}
    if kind == "blob":
        return base64.b64encode(value).decode()
    return value
