"""What is done to the frames of a hand, or of an honest end, before they arrive."""

from __future__ import annotations

from fuzz import wire
from fuzz.values import INTS, Values
from fuzz.wire import Ext, pack


def message(chance, parts):
    """Give a message (a list) with one field spoilt."""
    values = Values(chance)
    parts = list(parts)
    if not parts:
        return parts  # it was spoilt before
    place = chance.randrange(len(parts))
    roll = chance.randrange(8)
    if roll == 0:
        parts[place] = chance.choice((*INTS, True, False, 1.0, float("nan"), None, "1", b"1"))
    elif roll == 1:
        parts[place] = values.any(2)
    elif roll == 2:
        del parts[place]
    elif roll == 3:
        parts.insert(place, values.scalar())
    elif roll == 4:
        parts.append(values.any(1))
    elif roll == 5:
        parts[0] = chance.choice((*range(12), -1, True, None, 1.0, 0.0, "0", 2**70))
    elif roll == 6 and len(parts) > 1:
        parts[1] = chance.choice((*INTS, True, 1.0, None))
    else:
        parts[place] = Ext(chance.randrange(38), pack(parts[place]))
    return parts


def frame(chance, packed):
    """Give a frame with some of its bytes spoilt, or of what rides beside it."""
    if not isinstance(packed, bytes):
        return _beside(chance, packed)
    roll = chance.randrange(7)
    data = bytearray(packed)
    place = chance.randrange(len(data)) if data else 0
    if roll == 0 and data:
        data[place] = chance.randrange(256)
    elif roll == 1 and data:
        data[place] ^= 1 << chance.randrange(8)
    elif roll == 2:
        del data[place:]
    elif roll == 3:
        data += chance.randbytes(chance.choice((1, 3, 20)))
    elif roll == 4:
        data[place:place] = chance.choice((
            b"\xdd\xff\xff\xff\xff", b"\xdf\x00\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc1",
            b"\xc9\x7f\xff\xff\xff\x10", b"\x90", b"\xd9", b"\xc7\x08\x01", b"\xdc\x00\x02",
        ))  # fmt: skip
    elif roll == 5:
        data += packed
    elif data:
        end = min(len(data), place + chance.randrange(1, 9))
        data[place:end] = (chance.choice(INTS) % 2**64).to_bytes(8, "big")[: end - place]
    return bytes(data)


def _beside(chance, parts):
    """The same of a list: the packed message, and the bytes beside it."""
    parts = list(parts)
    roll = chance.randrange(6)
    if roll == 0:
        parts[0] = frame(chance, parts[0])
    elif roll == 1:
        del parts[1:]
    elif roll == 2:
        parts.append(chance.randbytes(chance.choice((0, 3, 40_000))))
    elif roll == 3:
        parts[0], parts[-1] = parts[-1], parts[0]
    elif roll == 4:
        return parts[0] + b"".join(parts[1:])
    else:
        parts *= chance.choice((2, 50))
    return parts


def batch(chance, frames):
    """Give a batch in which frames are missing, doubled, or out of their order."""
    frames = list(frames)
    roll = chance.randrange(4)
    if not frames:
        return frames
    place = chance.randrange(len(frames))
    if roll == 0:
        del frames[place]
    elif roll == 1:
        frames.insert(place, frames[place])
    elif roll == 2:
        chance.shuffle(frames)
    else:
        both = chance.choice(frames), chance.choice(frames)
        frames.append(both[0] + both[1] if {*map(type, both)} == {bytes} else both[0])
    return frames


def seen(chance, number):
    """Give another count of the settlements that the peer has seen."""
    return chance.choice((0, 1, number + 1, number - 1, -1, 2**31, 2**63, 2**70))


def spoilt(chance, messages, rate):
    """Pack some messages, each spoilt with probability `rate`.

    Args:
        chance: decides.
        messages: as lists.
        rate: from 0 to 1.
    """
    frames = []
    for parts in messages:
        written = parts
        if chance.random() < rate * 0.6:
            written = message(chance, parts)
        packed = wire.frame(written)
        if chance.random() < rate * 0.4:
            packed = frame(chance, packed)
        frames.append(packed)
    if chance.random() < rate:
        frames = batch(chance, frames)
    return frames
