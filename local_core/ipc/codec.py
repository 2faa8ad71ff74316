"""Event-stream packets: bytes on the socket to messages, and back.

A packet, big-endian: total length, header length, CRC-32 of those eight bytes, headers, payload,
CRC-32 of all before it. The format is that of ``aws-c-event-stream``:
https://github.com/awslabs/aws-c-event-stream
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from zlib import crc32

from ..errors import LocalCoreError

PRELUDE_BYTES = 12
MAX_PACKET_BYTES = 24 * 1024 * 1024
"""The largest packet that the client's own library accepts."""

_CRC_BYTES = 4
_INT32, _BYTES, _STRING = 4, 6, 7
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 5: 8, 8: 8, 9: 16}
_OWN_HEADERS = (":message-type", ":message-flags", ":stream-id")

HeaderValue = str | int | bytes


class MessageType(IntEnum):
    """What a packet is for."""

    APPLICATION_MESSAGE = 0
    APPLICATION_ERROR = 1
    PING = 2
    PING_RESPONSE = 3
    CONNECT = 4
    CONNECT_ACK = 5
    PROTOCOL_ERROR = 6
    INTERNAL_ERROR = 7


class MessageFlag(IntFlag):
    """Marks on a packet."""

    NONE = 0
    CONNECTION_ACCEPTED = 1
    TERMINATE_STREAM = 2


class PacketError(LocalCoreError):
    """Bytes that are not a packet; nothing after them on the connection can be trusted."""


@dataclass(frozen=True)
class Message:
    """One packet, decoded. Stream 0 is the connection itself."""

    type: MessageType
    stream_id: int
    flags: MessageFlag = MessageFlag.NONE
    headers: Mapping[str, HeaderValue] = field(default_factory=dict)
    payload: bytes = b""


def encode(message: Message) -> bytes:
    """Return the packet of ``message``."""
    # Typed, because mypy 2.4.1 infers this tuple's common type differently from run to run.
    values: tuple[int, ...] = (message.type, message.flags, message.stream_id)
    own = zip(_OWN_HEADERS, values, strict=True)
    headers = b"".join(_encode_header(name, value) for name, value in own)
    headers += b"".join(_encode_header(name, value) for name, value in message.headers.items())
    total = PRELUDE_BYTES + len(headers) + len(message.payload) + _CRC_BYTES
    lengths = struct.pack(">II", total, len(headers))
    packet = lengths + struct.pack(">I", crc32(lengths)) + headers + message.payload
    return packet + struct.pack(">I", crc32(packet))


def packet_length(prelude: bytes) -> int:
    """Return the length of the packet that begins with ``prelude``.

    Raises:
        PacketError: if the prelude's checksum or its lengths are wrong.
    """
    total, header_length, crc = struct.unpack(">III", prelude)
    if crc32(prelude[:8]) != crc:
        raise PacketError("wrong checksum of a packet's prelude")
    if not PRELUDE_BYTES + header_length + _CRC_BYTES <= total <= MAX_PACKET_BYTES:
        raise PacketError(f"impossible packet length {total}")
    return int(total)


def decode(packet: bytes) -> Message:
    """Return the message in ``packet``.

    Raises:
        PacketError: if a checksum, a length or a header is wrong.
    """
    if len(packet) != packet_length(packet[:PRELUDE_BYTES]):
        raise PacketError("packet length differs from its prelude")
    (crc,) = struct.unpack(">I", packet[-_CRC_BYTES:])
    if crc32(packet[:-_CRC_BYTES]) != crc:
        raise PacketError("wrong checksum of a packet")
    (header_length,) = struct.unpack(">I", packet[4:8])
    payload_start = PRELUDE_BYTES + header_length
    try:
        headers = _decode_headers(packet[PRELUDE_BYTES:payload_start])
        kind, flags, stream_id = (int(headers.pop(name, 0)) for name in _OWN_HEADERS)
        return Message(
            type=MessageType(kind),
            stream_id=stream_id,
            flags=MessageFlag(flags),
            headers=headers,
            payload=packet[payload_start:-_CRC_BYTES],
        )
    except (ValueError, IndexError, struct.error) as error:
        raise PacketError(f"unreadable packet headers: {error}") from error


def read_packet(read_exactly: Callable[[int], bytes], limit: int | None = None) -> Message:
    """Read one packet with ``read_exactly``, which returns as many bytes as it is asked for.

    ``limit`` is the most bytes that may follow the prelude.

    Raises:
        PacketError: if the packet is damaged, or longer than ``limit``.
    """
    prelude = read_exactly(PRELUDE_BYTES)
    rest = packet_length(prelude) - PRELUDE_BYTES
    if limit is not None and rest > limit:
        raise PacketError(f"packet of {rest} bytes exceeds the limit of {limit}")
    return decode(prelude + read_exactly(rest))


def _encode_header(name: str, value: HeaderValue) -> bytes:
    encoded = name.encode()
    head = bytes([len(encoded)]) + encoded
    if isinstance(value, int):
        return head + struct.pack(">Bi", _INT32, value)
    raw, kind = (value.encode(), _STRING) if isinstance(value, str) else (value, _BYTES)
    return head + struct.pack(">BH", kind, len(raw)) + raw


def _decode_headers(block: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(block):
        name_end = at + 1 + block[at]
        name, kind = block[at + 1 : name_end].decode(), block[name_end]
        at = name_end + 1
        if kind == _INT32:
            (headers[name],) = struct.unpack(">i", block[at : at + 4])
            at += 4
        elif kind in (_BYTES, _STRING):
            (size,) = struct.unpack(">H", block[at : at + 2])
            raw = block[at + 2 : at + 2 + size]
            headers[name] = raw.decode() if kind == _STRING else raw
            at += 2 + size
        elif kind in _FIXED_SIZES:
            headers[name] = block[at : at + _FIXED_SIZES[kind]]
            at += _FIXED_SIZES[kind]
        else:
            raise ValueError(f"unknown type {kind} of header {name}")
    return headers
