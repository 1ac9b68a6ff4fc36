"""The classes of cases of RFC 6455 (framing, control frames, pieces, UTF-8, closing) at both ends.

Each case is a stream of frames, and what has to come of it. Both ends of ours play it, whole and
byte by byte, and so does the library `websockets`, whose answers have to be the same. That one
leaves it to whoever uses it to look at the UTF-8 of messages.
"""

from __future__ import annotations

import pytest
from websockets.frames import Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol

from rpclab.net.closing import NO_CODE
from rpclab.net.frames import BINARY, TEXT
from rpclab.net.websocket import WebSocketWire

MOST = 70_000
NORMAL, PROTOCOL, NO_UTF8, TOO_BIG = 1000, 1002, 1007, 1009

ZURICH = "Hello-µ@ßöäüàá-UTF-8!!".encode()
CONT, PING, PONG, CLOSE = Opcode.CONT, Opcode.PING, Opcode.PONG, Opcode.CLOSE


def frame(opcode, payload=b"", *, fin=True, bits=0, mask=True, length=None):
    """The bytes of a frame, right or wrong.

    Args:
        opcode: any number of four bits.
        payload: what it holds.
        fin: whether it is the last of its message.
        bits: the three that are reserved.
        mask: None for a frame that has none where it should, or one where it should not.
        length: the payload's, as it is said; its own unless given.
    """

    def made(masked):
        size = len(payload) if length is None else length
        flag = 0x80 if masked else 0
        head = bytes([fin << 7 | bits << 4 | opcode])
        if size <= 125:
            head += bytes([flag | size])
        elif size < 2**16:
            head += bytes([flag | 126]) + size.to_bytes(2, "big")
        else:
            head += bytes([flag | 127]) + size.to_bytes(8, "big")
        if not masked:
            return head + payload
        key = b"\x01\x02\x03\x04"
        return head + key + bytes(byte ^ key[n % 4] for n, byte in enumerate(payload))

    return made if mask else lambda masked: made(not masked)


def text(payload, **options):
    return frame(TEXT, payload, **options)


def binary(payload, **options):
    return frame(BINARY, payload, **options)


def pieces(payload, *sizes, opcode=TEXT):
    """A message in pieces of these sizes, and the rest."""
    cuts = []
    for size in sizes:
        cuts.append(payload[:size])
        payload = payload[size:]
    cuts.append(payload)
    return [
        frame(CONT if number else opcode, cut, fin=number == len(cuts) - 1)
        for number, cut in enumerate(cuts)
    ]


def closing(code, reason=b""):
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


CASES = {}


def case(name, frames, *, messages=(), pongs=(), code=None):
    """A case: its frames, and what comes of them: messages, pongs, and the code of the close."""
    CASES[name] = frames, list(messages), list(pongs), code


# 1: messages of all lengths that are written differently.
for size in (0, 1, 125, 126, 127, 128, 65_535, 65_536, MOST):
    case(f"a text of {size}", [text(b"*" * size)], messages=[(TEXT, b"*" * size)])
    case(f"{size} bytes", [binary(b"\xfe" * size)], messages=[(BINARY, b"\xfe" * size)])

# 2: pings and pongs.
for payload in (b"", b"hello", b"\x00\xff\xfe", b"\xfe" * 125):
    case(f"a ping of {len(payload)}", [frame(PING, payload)], pongs=[payload])
case("ten pings", [frame(PING, b"%d" % n) for n in range(10)], pongs=[b"%d" % n for n in range(10)])
case("a ping that is too long", [frame(PING, b"\xfe" * 126)], code=PROTOCOL)
case("a pong that nobody asked for", [frame(PONG, b"?"), frame(PING, b"!")], pongs=[b"!"])
case("a ping after the close", [closing(NORMAL), frame(PING, b"!")], code=NORMAL)

# 3: reserved bits.
for bits in range(1, 8):
    case(f"bits {bits} of a text", [text(b"a"), text(b"b", bits=bits)],
         messages=[(TEXT, b"a")], code=PROTOCOL)  # fmt: skip
    case(f"bits {bits} of a ping", [frame(PING, b"a", bits=bits)], code=PROTOCOL)
    case(f"bits {bits} of a close", [frame(CLOSE, bits=bits)], code=PROTOCOL)
    case(f"bits {bits} of a later piece",
         [text(b"a", fin=False), frame(CONT, b"b", bits=bits)], code=PROTOCOL)  # fmt: skip

# 4: opcodes that nobody has given a meaning.
for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
    case(f"opcode {opcode}", [text(b"a"), frame(opcode, b"b"), text(b"c")],
         messages=[(TEXT, b"a")], code=PROTOCOL)  # fmt: skip
    case(f"empty opcode {opcode}", [frame(opcode), frame(PING)], code=PROTOCOL)

# 5: pieces.
case("a ping in pieces", [frame(PING, b"a", fin=False), frame(CONT, b"b")], code=PROTOCOL)
case("a pong in pieces", [frame(PONG, b"a", fin=False), frame(CONT, b"b")], code=PROTOCOL)
case("a close in pieces", [frame(CLOSE, b"\x03\xe8", fin=False), frame(CONT)], code=PROTOCOL)
case("two pieces", pieces(b"helloworld", 5), messages=[(TEXT, b"helloworld")])
case("bytes in two pieces", pieces(b"\xff\xfe", 1, opcode=BINARY), messages=[(BINARY, b"\xff\xfe")])
case("empty pieces", pieces(b"", 0, 0, 0), messages=[(TEXT, b"")])
case("an empty piece among others", pieces(b"ab", 1, 0), messages=[(TEXT, b"ab")])
case("a ping between pieces",
     [text(b"a", fin=False), frame(PING, b"!"), frame(CONT, b"b")],
     messages=[(TEXT, b"ab")], pongs=[b"!"])  # fmt: skip
# It is over in any case; the library takes a message that never ends for a fault.
case("a close between pieces", [text(b"a", fin=False), closing(NORMAL)], code=PROTOCOL)
case("the rest of nothing", [frame(CONT, b"a"), text(b"b")], code=PROTOCOL)
case("a piece of nothing", [frame(CONT, b"a", fin=False), text(b"b")], code=PROTOCOL)
case("the rest of what is whole", [text(b"a"), frame(CONT, b"b")],
     messages=[(TEXT, b"a")], code=PROTOCOL)  # fmt: skip
case("a message among pieces", [text(b"a", fin=False), text(b"b")], code=PROTOCOL)
case("a first piece among pieces", [text(b"a", fin=False), binary(b"b", fin=False)], code=PROTOCOL)
case("pieces of two messages, one after the other",
     [*pieces(b"ab", 1), *pieces(b"cd", 1, opcode=BINARY), text(b"e")],
     messages=[(TEXT, b"ab"), (BINARY, b"cd"), (TEXT, b"e")])  # fmt: skip

# 6: UTF-8.
VALID = {
    "a word": ZURICH,
    "the first and last of two bytes": b"\xc2\x80\xdf\xbf",
    "the first and last of three bytes": b"\xe0\xa0\x80\xef\xbf\xbf",
    "those around the surrogates": b"\xed\x9f\xbf\xee\x80\x80",
    "the first and last of four bytes": b"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
    "no character": b"\x00\x7f",
}
INVALID = {
    "a byte that goes on with nothing": b"a\x80b",
    "a character cut short": b"\xce\xba\xe1\xbd",
    "more than is needed": b"\xc0\xaf",
    "far more than is needed": b"\xf0\x80\x80\xaf",
    "half a surrogate pair": b"\xed\xa0\x80",
    "a surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80",
    "past the last character": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "no byte of UTF-8": b"\xfe\xff",
    "a wrong end": ZURICH + b"\xed\xa0\x80" + b"edited",
}
for name, payload in VALID.items():
    case(name, [text(payload)], messages=[(TEXT, payload)])
    case(f"{name}, byte by byte", pieces(payload, *[1] * len(payload)), messages=[(TEXT, payload)])
for name, payload in INVALID.items():
    case(name, [text(b"a"), text(payload), text(b"c")],
         messages=[(TEXT, b"a")], code=NO_UTF8)  # fmt: skip
    case(f"{name}, byte by byte", pieces(payload, *[1] * len(payload)), code=NO_UTF8)
    case(f"{name}, where bytes are sent", [binary(payload)], messages=[(BINARY, payload)])

# 7: the close.
case("a close without a code", [frame(CLOSE)], code=NO_CODE)
case("a close of one byte", [frame(CLOSE, b"\x03")], code=PROTOCOL)
case("a close with a reason", [closing(NORMAL, ZURICH)], code=NORMAL)
case("a close with the longest reason", [closing(NORMAL, b"*" * 123)], code=NORMAL)
case("a close that is too long", [closing(NORMAL, b"*" * 124)], code=PROTOCOL)
case("a close whose reason is no UTF-8", [closing(NORMAL, b"\xce\xba\xe1\xbd")], code=NO_UTF8)
case("a message after the close", [closing(NORMAL), text(b"late")], code=NORMAL)
case("two closes", [closing(NORMAL), closing(3000)], code=NORMAL)
for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
    case(f"a close with {code}", [closing(code)], code=code)
for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
    case(f"a close with {code}, which is no code", [closing(code)], code=PROTOCOL)

# Masks, and lengths.
case("a mask where there is to be none, and the other way round",
     [text(b"a"), text(b"b", mask=False)], messages=[(TEXT, b"a")], code=PROTOCOL)  # fmt: skip
case("a control frame likewise", [frame(PING, b"b", mask=False)], code=PROTOCOL)
case("one that is too long by a byte", [text(b"*" * (MOST + 1))], code=TOO_BIG)
case("one that says it is very long", [text(b"a", length=2**40)], code=TOO_BIG)
case("a length of 64 bits", [text(b"a", length=2**64 - 1)], code=TOO_BIG)
case("pieces that are too long together",
     [text(b"a" * 40_000, fin=False), frame(CONT, b"b" * 40_000)], code=TOO_BIG)  # fmt: skip
case("a long message in many pieces", pieces(b"x" * 60_000, *[997] * 59),
     messages=[(TEXT, b"x" * 60_000)])  # fmt: skip


class Ears:
    """What a wire tells: messages, and how it ended."""

    def __init__(self):
        self.connection = self
        self.is_binary = True
        self.messages = []
        self.ends = []

    def receive(self, messages, *, binary):
        self.messages += [(BINARY if binary else TEXT, message) for message in messages]

    def lost(self, error):
        self.ends.append(error)

    def heard(self):
        pass


class Sent:
    """What a wire writes, in the place of a transport."""

    def __init__(self):
        self.data = b""

    def set_write_buffer_limits(self, high):
        pass

    def write(self, data):
        self.data += data

    def can_write_eof(self):
        return True

    def write_eof(self):
        pass


def played(stream, step, side):
    """Play a stream to an end of ours; gives messages, pongs and the code it closes with."""
    wire = WebSocketWire(
        Protocol(side, state=OPEN, max_size=MOST), dialled=side is CLIENT, most=MOST
    )
    wire._messages, sent = Ears(), Sent()
    wire.connection_made(sent)
    for start in range(0, len(stream), step):
        wire.data_received(stream[start : start + step])
    return wire._messages.messages, *answers(sent.data, side), wire._messages.ends


def answers(data, side):
    """The pongs in what an end has written, and the code of the close; None where it is open."""
    reader = Protocol(SERVER if side is CLIENT else CLIENT, state=OPEN, max_size=None)
    reader.receive_data(data)
    frames = reader.events_received()
    pongs = [bytes(each.data) for each in frames if each.opcode is PONG]
    return pongs, reader.close_rcvd.code if reader.close_rcvd else None


def oracle(stream, side):
    """What the library makes of a stream."""
    protocol = Protocol(side, state=OPEN, max_size=MOST)
    protocol.receive_data(stream)
    messages, gathered, kind = [], b"", None
    for each in protocol.events_received():
        if each.opcode in (CONT, TEXT, BINARY):
            kind = int(each.opcode) or kind
            gathered += each.data
            if each.fin:
                messages.append((kind, gathered))
                gathered = b""
    return messages, *answers(b"".join(protocol.data_to_send()), side)


@pytest.mark.parametrize("side", [SERVER, CLIENT], ids=["server", "client"])
@pytest.mark.parametrize(("frames", "messages", "pongs", "code"), CASES.values(), ids=CASES)
def test_a_case_of_the_protocol_of_websockets(side, frames, messages, pongs, code):
    stream = b"".join(each(side is SERVER) for each in frames)
    if code != NO_UTF8 or (not messages and stream[0] & 0x0F == CLOSE):
        assert oracle(stream, side) == (messages, pongs, code)
    for step in {len(stream), 1 if len(stream) < 1000 else 1009}:
        *came, ends = played(stream, step, side)
        assert came == [messages, pongs, code]
        assert len(ends) == (code is not None)
