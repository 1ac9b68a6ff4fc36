"""What is read by those who call an object that left memory, or what it has given away."""

import asyncio

import pytest

import rpclab
from rpclab.errors import HOST_CONTEXT_ENDED

SOURCE = """
from workers import DurableObject, RpcTarget
import asyncio

class Seat(RpcTarget):
    def take(self):
        return "taken"

class Room(DurableObject):
    def seat(self):
        return Seat()

    def seats(self):
        return {"front": Seat()}

    def abort(self):
        self.ctx.abort("no more")

    async def wait(self):
        await asyncio.sleep(1)

    def here(self):
        return "here"
"""
STAYS = "ask the object for it again; what is to last is kept in ctx.storage"


@pytest.fixture
def rooms(sandbox):
    sandbox.deploy("w", source=SOURCE)
    return sandbox.bind(ROOMS=rpclab.objects("w#Room")).ROOMS


async def failure_of(promise):
    with pytest.raises(rpclab.RpcError) as caught:
        await promise
    return caught.value


async def evict(sandbox, _room):
    sandbox.evict("w#Room")


async def abort(_sandbox, room):
    await failure_of(room.abort())


async def redeploy(sandbox, _room):
    sandbox.deploy("w", source=SOURCE)


LEFT = {
    "was evicted from memory": evict,
    "was reset (RpcError: no more)": abort,
    "was reset (RpcError: Durable Object reset because its code was updated.)": redeploy,
}


@pytest.mark.parametrize("why", LEFT)
@pytest.mark.parametrize("form", ["seat", "seats"])
async def test_who_calls_what_lived_in_the_object_reads_which_and_why(sandbox, rooms, why, form):
    room = rooms.get_by_name("a")
    value = await getattr(room, form)()
    seat = value if form == "seat" else value["front"]
    await LEFT[why](sandbox, room)
    for _ in range(2):  # it is broken, and stays so
        error = await failure_of(seat.take())
        assert (type(error), str(error)) == (rpclab.ContextEndedError, HOST_CONTEXT_ENDED)
        assert error.__notes__[0] == f"it lived in Room 'a' of w, which {why}: {STAYS}"


async def test_a_stub_of_a_reset_object_says_how_to_get_another(sandbox, rooms):
    room = rooms.get_by_name("a")
    waiting = room.wait()
    await asyncio.sleep(0.1)
    sandbox.deploy("w", source=SOURCE)
    for promise in (waiting, room.here(), room.here()):
        error = await failure_of(promise)
        assert error.durable_object_reset
        [note] = error.__notes__
        assert note == (
            "Room 'a' of w was reset; what it has stored stays. Stubs of it that a call was under"
            " way on stay broken: take a new one, with get_by_name('a')"
        )
    assert await rooms.get_by_name("a").here() == "here"


async def test_of_an_object_without_a_name_the_advice_names_its_id(rooms):
    unique = rooms.new_unique_id()
    error = await failure_of(rooms.get(unique).abort())
    assert error.__notes__[-1].startswith(f"Room {str(unique)[:8]}… of w was reset; ")
    assert error.__notes__[-1].endswith("take a new one, with get(id)")


async def test_a_long_reason_is_shown_in_bounded_form(sandbox, rooms):
    sandbox.deploy("w", source=SOURCE.replace('"no more"', '"x\\n" * 100_000'))
    room = rooms.get_by_name("a")
    seat = await room.seat()
    await failure_of(room.abort())
    error = await failure_of(seat.take())
    assert len(error.__notes__[0]) < 1000
    assert error.__notes__[0].isprintable()
