"""The bridge of demos/bridge on workerd: a program that nobody can dial is called through it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from pathlib import Path

import httpx
import pytest
from support.net import failure
from support.workerd import configured_as, running

import rpclab

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BRIDGE = ROOT / "demos" / "bridge"
DIAL, CALL = "let-me-be-called", "let-me-call"
PIPE = asyncio.subprocess.PIPE
NOBODY = "nobody has dialled in under this name"


@contextlib.asynccontextmanager
async def bridge(workerd, folder, port=0):
    """The bridge; gives its address, without the scheme."""
    config = configured_as(BRIDGE / "wrangler.jsonc", folder, port)
    async with running(workerd, config) as place:
        yield place


@contextlib.asynccontextmanager
async def greenhouse(place):
    """The program at home, which has dialled in; gives what it prints, line by line."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "demos.bridge", f"ws://{place}/dial-in/greenhouse"),
        cwd=ROOT,
        env={**os.environ, "BRIDGE_TOKEN": DIAL},
        stdout=PIPE,
    )
    try:
        assert await program.stdout.readline() == b"open\n"
        yield program.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have ended
            program.kill()
        await program.wait()
        program._transport.close()


def caller(place, scheme="ws", token=CALL):
    return rpclab.connect(f"{scheme}://{place}/call/greenhouse", token=token)


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_python_calls_a_program_that_has_dialled_in(workerd, tmp_path, scheme):
    async with bridge(workerd, tmp_path) as place, greenhouse(place) as printed:
        async with caller(place, scheme) as home:
            degrees, lamp = home.temperature(), home.lamp()
            switched = lamp.switch(True)
            assert [await degrees, await switched] == [21.5, "on"]
        assert await printed.readline() == b"the lamp goes out\n"


async def test_a_stream_of_a_program_that_has_dialled_in_comes_through(workerd, tmp_path):
    async with bridge(workerd, tmp_path) as place, greenhouse(place), caller(place) as home:
        lines = b"".join([chunk async for chunk in await home.history()]).decode().splitlines()
    assert (len(lines), lines[-1]) == (24, "23:00 26")


async def test_a_program_that_has_dialled_in_calls_back_and_its_errors_arrive(workerd, tmp_path):
    async with bridge(workerd, tmp_path) as place, greenhouse(place), caller(place) as home:
        told = []
        assert await home.watch(told.append, 3) == "3 measurements"
        assert told == [21.5, 22.5, 23.5]
        error = await failure(home.watch(told.append, "three"))
        assert isinstance(error, TypeError)
        assert not any(".py" in line for line in getattr(error, "__notes__", ()))


async def test_javascript_calls_a_program_that_has_dialled_in(workerd, node, tmp_path):
    shutil.copy(BRIDGE / "caller.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    async with bridge(workerd, tmp_path) as place, greenhouse(place) as printed:
        address = f"ws://{place}/call/greenhouse?token={CALL}"
        client = await asyncio.create_subprocess_exec(
            node, tmp_path / "caller.mjs", address, stdout=PIPE, stderr=PIPE
        )
        said, complaints = await client.communicate()
        assert complaints == b""
        assert said.decode().splitlines() == [
            "21.5 degrees", "now 21.5", "now 22.5", "now 23.5", "3 measurements", "the lamp is on",
        ]  # fmt: skip
        assert await printed.readline() == b"the lamp goes out\n"


async def test_the_bridge_itself_calls_a_program_that_has_dialled_in(workerd, tmp_path):
    async with bridge(workerd, tmp_path) as place, httpx.AsyncClient(trust_env=False) as web:
        page, known = f"http://{place}/temperature/greenhouse", {"token": CALL}
        alone = await web.get(page, params=known)
        async with greenhouse(place):
            asked = await web.get(page, params=known)
        assert (alone.status_code, alone.text) == (503, f"{NOBODY}\n")
        assert (asked.status_code, asked.json()) == (200, 21.5)


async def test_a_caller_is_told_that_nobody_is_there_or_has_gone(workerd, tmp_path):
    async with bridge(workerd, tmp_path) as place:
        async with caller(place) as home:
            assert NOBODY in str(await failure(home.temperature()))
        async with greenhouse(place):
            connection = await caller(place)
            lamp = await connection.main.lamp()
        assert isinstance(await failure(lamp.switch(True)), rpclab.RpcError)
        await connection.close()
        async with caller(place) as home:
            assert NOBODY in str(await failure(home.temperature()))


async def test_a_program_dials_in_again_when_the_bridge_is_there_again(workerd, tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        async with bridge(workerd, tmp_path) as place:
            printed = await stack.enter_async_context(greenhouse(place))
        assert (await printed.readline()).startswith(b"reconnecting")
        async with bridge(workerd, tmp_path, int(place.partition(":")[2])):
            while await printed.readline() != b"open\n":
                pass
            async with caller(place) as home:
                assert await home.temperature() == 21.5


async def test_who_dials_in_later_takes_the_place_and_the_program_before_ends(workerd, tmp_path):
    async with (
        bridge(workerd, tmp_path) as place,
        greenhouse(place) as before,
        greenhouse(place),
        caller(place) as home,
    ):
        assert (await before.readline()).startswith(b"closed: the other side closed")
        assert await before.readline() == b""
        assert await home.temperature() == 21.5


@pytest.mark.parametrize(
    ("action", "token", "status"),
    [("dial-in", CALL, 401), ("call", DIAL, 401), ("call", None, 401), ("nothing", CALL, 404)],
)
async def test_the_bridge_lets_in_who_knows_the_token_of_what_is_wanted(
    workerd, tmp_path, action, token, status
):
    async with bridge(workerd, tmp_path) as place:
        dialling = rpclab.connect(f"ws://{place}/{action}/greenhouse", token=token)
        assert str(status) in str(await failure(dialling.open()))
