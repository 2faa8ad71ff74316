from __future__ import annotations

import io

import pytest

from local_core.ipc.codec import (
    Message,
    MessageFlag,
    MessageType,
    PacketError,
    decode,
    encode,
    read_packet,
)

CONNECT = Message(
    MessageType.CONNECT,
    stream_id=0,
    headers={":version": "0.1.0", "count": 7, "raw": b"\x00\xff"},
    payload=b'{"authToken": "secret"}',
)


def test_a_packet_decodes_to_the_message_it_was_made_of() -> None:
    assert decode(encode(CONNECT)) == CONNECT


def test_flags_and_stream_survive() -> None:
    message = Message(MessageType.APPLICATION_ERROR, 12, MessageFlag.TERMINATE_STREAM)
    assert decode(encode(message)) == message


@pytest.mark.parametrize("position", range(0, len(encode(CONNECT)), 7))
def test_a_flipped_bit_is_found(position: int) -> None:
    packet = bytearray(encode(CONNECT))
    packet[position] ^= 1
    with pytest.raises(PacketError):
        decode(bytes(packet))


def test_packet_at_the_limit_is_read_and_one_byte_more_is_not() -> None:
    packet = encode(CONNECT)
    after_prelude = len(packet) - 12
    assert read_packet(io.BytesIO(packet).read, limit=after_prelude) == CONNECT
    with pytest.raises(PacketError, match="exceeds the limit"):
        read_packet(io.BytesIO(packet).read, limit=after_prelude - 1)
