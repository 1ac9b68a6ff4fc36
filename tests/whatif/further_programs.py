"""Ten more programs that stand every cut, and fourteen that do not: of other kinds than the seeds.

Here what is wrong is not a word that was left out, but the way a program was thought of.
"""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from .programs import DISPOSER, DOUBLED, TIMEOUT, WORKERS

OPEN = "open stream"

NEWS = """\
from workers import DurableObject, ReadableStream, WorkerEntrypoint, WritableStream

uploads = {}


class Board(DurableObject):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        self._readers = {}

    def subscribe(self, name, reader):
        self._readers[name] = reader.dup()

    def unsubscribe(self, name):
        if name in self._readers:
            self._readers.pop(name).dispose()

    async def publish(self, text):
        for reader in list(self._readers.values()):
            await reader(text)


class Default(WorkerEntrypoint):
    @property
    def _board(self):
        return self.env.BOARD.get_by_name("board")

    def subscribe(self, name, reader):
        return self._board.subscribe(name, reader)

    def unsubscribe(self, name):
        return self._board.unsubscribe(name)

    def publish(self, text):
        return self._board.publish(text)

    def film(self):
        return ReadableStream(b"x" * 20_000 for _ in range(20))

    def upload(self, name):
        uploads[name] = b""

        def write(chunk):
            uploads[name] += bytes(chunk)

        return WritableStream(write)
"""
LEDGER = """\
import rpclab
from workers import DurableObject, WorkerEntrypoint


class Account(DurableObject):
    async def add(self, amount, key=None):
        seen = await self.ctx.storage.get("seen") or []
        total = await self.ctx.storage.get("total") or 0
        if key is None or key not in seen:
            total += amount
            await self.ctx.storage.put("total", total)
            await self.ctx.storage.put("seen", [*seen, key])
        return total


class Default(WorkerEntrypoint):
    async def add(self, amount, key=None):
        return await self.env.ACCOUNT.get_by_name("a").add(amount, key)
"""
ALL = {
    **WORKERS,
    "news": {"source": NEWS, "objects": {"BOARD": "Board"}},
    "ledger": {"source": LEDGER, "objects": {"ACCOUNT": "Account"}},
    "spare_bank": WORKERS["bank"],
}


class Further(NamedTuple):
    """A program.

    Attributes:
        name: what it does.
        workers: the Workers it needs.
        kind: what the walk is to find; "" for nothing.
        body: the text of its function.
    """

    name: str
    workers: tuple[str, ...]
    kind: str
    body: str


def case(name: str, workers: str, kind: str, body: str) -> Further:
    return Further(name, tuple(workers.split()), kind, textwrap.dedent(body))


FURTHER = [
    case("a callback that is taken back in the end", "news bank", "", """\
        heard = []
        try:
            async with rpclab.deadline(5):
                await env.NEWS.subscribe("me", heard.append)
                await env.BANK.balance()
                await env.NEWS.publish("tea is ready")
        finally:
            async with rpclab.deadline(5):
                await env.NEWS.unsubscribe("me")
        return heard
        """),
    case("a callback that an error leaves there", "news bank", DISPOSER, """\
        heard = []
        async with rpclab.deadline(5):
            await env.NEWS.subscribe("me", heard.append)
            await env.BANK.balance()
            await env.NEWS.publish("tea is ready")
            await env.NEWS.unsubscribe("me")
        return heard
        """),
    case("a callback that nobody takes back", "news bank", DISPOSER, """\
        heard = []
        async with rpclab.deadline(5):
            await env.NEWS.subscribe("me", heard.append)
            await env.BANK.balance()
            await env.NEWS.publish("tea is ready")
        return heard
        """),
    case("a callback that is taken back when there is no time left", "news bank", DISPOSER, """\
        heard = []
        async with rpclab.deadline(5):
            try:
                await env.NEWS.subscribe("me", heard.append)
                await env.BANK.balance()
            finally:
                await env.NEWS.unsubscribe("me")
        return heard
        """),
    case("a film that is left after its first frame", "news bank", "", """\
        async with rpclab.deadline(5):
            film = await env.NEWS.film()
            try:
                await film.read()
                return await env.BANK.balance()
            finally:
                await film.cancel()
        """),
    case("a film that an error leaves open", "news bank", OPEN, """\
        async with rpclab.deadline(5):
            film = await env.NEWS.film()
            await film.read()
            await env.BANK.balance()
            await film.cancel()
        """),
    case("an upload in a block", "news bank", "", """\
        async with rpclab.deadline(5):
            async with await env.NEWS.upload("film") as target:
                await target.write(b"first")
                await env.BANK.balance()
                await target.write(b"second")
        """),
    case("an upload that an error leaves open", "news bank", OPEN, """\
        async with rpclab.deadline(5):
            target = await env.NEWS.upload("film")
            await target.write(b"first")
            await env.BANK.balance()
            await target.write(b"second")
            await target.close()
        """),
    case("an object that knows a write by its key", "ledger", "", """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    return await env.LEDGER.add(5, "payment")
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """),
    case("an object whose answer was lost", "ledger", DOUBLED, """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    return await env.LEDGER.add(5)
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """),
    case("a key of its own for each attempt", "bank", DOUBLED, """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    return await env.BANK.deposit(5, key=f"attempt {attempt}")
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """),
    case("another bank pays as well", "bank spare_bank", DOUBLED, """\
        for bank in (env.BANK, env.SPARE_BANK):
            try:
                async with rpclab.deadline(5):
                    return await bank.deposit(5, key="payment")
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """),
    case("two writes that are tried together", "bank", DOUBLED, """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    await env.BANK.note("begun")
                    return await env.BANK.deposit(5, key="payment")
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """),
    case("several payments, each tried again by its key", "bank", "", """\
        for item in range(2):
            for attempt in (1, 2):
                try:
                    async with rpclab.deadline(5):
                        await env.BANK.deposit(5 + item, key=f"payment {item}")
                        break
                except (rpclab.DisconnectedError, TimeoutError):
                    continue
        """),
    case("several payments, each tried again", "bank", DOUBLED, """\
        for item in range(2):
            for attempt in (1, 2):
                try:
                    async with rpclab.deadline(5):
                        await env.BANK.deposit(5 + item)
                        break
                except (rpclab.DisconnectedError, TimeoutError):
                    continue
        """),
    case("one of two results at once is let go of by nobody", "shop bank", DISPOSER, """\
        async with rpclab.deadline(5):
            cart, _ = await rpclab.gather(env.SHOP.cart(), env.BANK.balance())
            with cart:
                return await cart.add("1", "tea")
        """),
    case("a dup in a block", "shop bank", "", """\
        async with rpclab.deadline(5):
            with await env.SHOP.cart() as cart, cart.dup() as second:
                await env.BANK.balance()
                return await second.add("1", "tea")
        """),
    case("a dup that an error jumps over", "shop bank", DISPOSER, """\
        async with rpclab.deadline(5):
            with await env.SHOP.cart() as cart:
                second = cart.dup()
                await env.BANK.balance()
                await second.add("1", "tea")
                second.dispose()
        """),
    case("reads, page by page", "shop", "", """\
        found = []
        for name in ("tea", "milk", "bread"):
            for attempt in (1, 2):
                try:
                    async with rpclab.deadline(5):
                        found.append(await env.SHOP.price(name))
                        break
                except (rpclab.DisconnectedError, TimeoutError):
                    continue
        return found
        """),
    case("a limit of asyncio's", "bank", "", """\
        return await asyncio.wait_for(env.BANK.balance(), 5)
        """),
    case("a film that is asked for again where it was lost", "news", "", """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    return len(await (await env.NEWS.film()).bytes())
            except (rpclab.DisconnectedError, TimeoutError, OSError):
                continue
        """),
    case("a task that is given up in the end", "bank shop", "", """\
        task = asyncio.ensure_future(env.BANK.balance())
        try:
            async with rpclab.deadline(5):
                return await env.SHOP.price("tea")
        finally:
            task.cancel()
        """),
    case("a limit around something else", "bank", TIMEOUT, """\
        async with asyncio.timeout(1):
            await asyncio.sleep(0.1)
        return await env.BANK.balance()
        """),
    case("a task that nobody bounds", "bank shop", TIMEOUT, """\
        task = asyncio.ensure_future(env.BANK.balance())
        async with rpclab.deadline(5):
            await env.SHOP.price("tea")
        return await task
        """),
]  # fmt: skip
