"""Twenty programs that stand every cut; and what each is when something in it is forgotten.

A seed takes a piece of a program's text, or of a Worker's, and puts another in its place, as
somebody would have written it who did not think of a cut. It says what the walk is to find then.
"""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

TIMEOUT, DISPOSER, DOUBLED = "missing timeout", "lost disposer", "doubled write"

BANK = """\
from workers import WorkerEntrypoint

account = {"balance": 0}
done = {}


class Default(WorkerEntrypoint):
    def balance(self):
        return account["balance"]

    def deposit(self, amount, key=None):
        if key is None or key not in done:
            account["balance"] += amount
            done[key] = account["balance"]
        return done[key]

    def put(self, name, value):
        account[name] = value

    def note(self, text):
        account.setdefault("notes", []).append(text)
"""
SHOP = """\
from workers import RpcTarget, WorkerEntrypoint

open_carts = []


class Cart(RpcTarget):
    def __init__(self):
        self._items = {}
        open_carts.append(self)

    def add(self, key, item):
        self._items[key] = item
        return len(self._items)

    def dispose(self):
        open_carts.remove(self)


class Default(WorkerEntrypoint):
    def cart(self):
        return Cart()

    def price(self, name):
        return len(name)

    async def visit(self, visitor):
        return await visitor("hello")
"""
CLERK = """\
import rpclab
from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def pay(self, amount):
        for attempt in (1, 2):
            try:
                return await self.env.BANK.deposit(amount, key="pay")
            except rpclab.DisconnectedError:
                continue

    async def order(self, item):
        with await self.env.SHOP.cart() as cart:
            return await cart.add("1", item)
"""
ROOMS = """\
from workers import DurableObject, WorkerEntrypoint


class Room(DurableObject):
    async def say(self, key, text):
        said = await self.ctx.storage.get("said") or {}
        said[key] = text
        await self.ctx.storage.put("said", said)
        return len(said)


class Default(WorkerEntrypoint):
    async def say(self, key, text):
        return await self.env.ROOM.get_by_name("hall").say(key, text)
"""
NOTES = """\
from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def add(self, key, title):
        table = "CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, title TEXT)"
        await self.env.DB.exec(table)
        statement = self.env.DB.prepare("INSERT OR IGNORE INTO notes VALUES (?, ?)")
        await statement.bind(key, title).run()

    async def remember(self, name, value):
        await self.env.KV.put(name, value)
        return await self.env.KV.get(name)
"""
FILMS = """\
from workers import ReadableStream, WorkerEntrypoint

jobs = {}


class Default(WorkerEntrypoint):
    def film(self):
        return ReadableStream(b"x" * 100 for _ in range(3))

    def begin(self, key):
        jobs.setdefault(key, 0)

    def is_done(self, key):
        return key in jobs
"""

WORKERS: dict[str, dict[str, Any]] = {
    "bank": {"source": BANK},
    "shop": {"source": SHOP},
    "clerk": {"source": CLERK, "bind": {"BANK": "bank", "SHOP": "shop"}},
    "rooms": {"source": ROOMS, "objects": {"ROOM": "Room"}},
    "notes": {"source": NOTES, "d1": {"DB": ":memory:"}, "kv": {"KV": "kv"}},
    "films": {"source": FILMS},
    "spare": {"source": SHOP},
}


class Seed(NamedTuple):
    """Something that is forgotten.

    Attributes:
        kind: what the walk is to find.
        old: the text that it takes the place of.
        new: the text that it is.
        worker: in the code of this Worker; in the program unless given.
    """

    kind: str
    old: str
    new: str
    worker: str = ""


class Case(NamedTuple):
    """A program.

    Attributes:
        name: what it does.
        body: the text of its function.
        workers: the Workers it needs.
        seeds: what may be forgotten in it.
    """

    name: str
    body: str
    workers: tuple[str, ...]
    seeds: tuple[Seed, ...]


BOUND = "async with rpclab.deadline(5):"
UNBOUND = Seed(TIMEOUT, BOUND, "if True:")


def case(name: str, workers: str, body: str, *seeds: Seed) -> Case:
    bounded = (UNBOUND,) if BOUND in body else ()
    return Case(name, textwrap.dedent(body), tuple(workers.split()), (*bounded, *seeds))


def program_of(body: str) -> Any:
    """Make the coroutine function of a text."""
    text = "import asyncio, contextlib, rpclab\nasync def program(env, sandbox):\n"
    text += textwrap.indent(body, "    ")
    namespace: dict[str, Any] = {}
    exec(compile(text, "program.py", "exec"), namespace)  # noqa: S102 - that is what is tried
    return namespace["program"]


AGAIN = "except (rpclab.DisconnectedError, TimeoutError):\n            continue"

CASES = [
    case("one call", "bank", """\
        async with rpclab.deadline(5):
            return await env.BANK.balance()
        """),
    case("a pipelined call", "shop", """\
        async with rpclab.deadline(5):
            return await env.SHOP.cart().add("1", "tea")
        """),
    case("a stub in a block", "shop", """\
        async with rpclab.deadline(5):
            with await env.SHOP.cart() as cart:
                await cart.add("1", "tea")
                return await cart.add("2", "milk")
        """),
    case("a stub that is let go of at last, beside another Worker", "shop bank", """\
        async with rpclab.deadline(5):
            cart = await env.SHOP.cart()
            try:
                await env.BANK.deposit(5, key="1")
                return await cart.add("1", "tea")
            finally:
                cart.dispose()
        """,
        Seed(DISPOSER, """\
            try:
                await env.BANK.deposit(5, key="1")
                return await cart.add("1", "tea")
            finally:
                cart.dispose()
        """.replace(" " * 8, "", 0), """\
            await env.BANK.deposit(5, key="1")
            count = await cart.add("1", "tea")
            cart.dispose()
            return count
        """)),
    case("a read that is made again", "bank", """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    return await env.BANK.balance()
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """),
    case("a write that is made again, with a key", "bank", """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    return await env.BANK.deposit(5, key="once")
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """,
        Seed(DOUBLED, 'deposit(5, key="once")', "deposit(5)")),
    case("a write that says what is to be", "bank", """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    return await env.BANK.put("limit", 5)
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """,
        Seed(DOUBLED, 'put("limit", 5)', 'note("limit 5")')),
    case("a Worker that makes a write again", "clerk bank", """\
        async with rpclab.deadline(5):
            return await env.CLERK.pay(5)
        """,
        Seed(DOUBLED, 'deposit(amount, key="pay")', "deposit(amount)", "clerk")),
    case("a Worker that holds a stub", "clerk shop", """\
        async with rpclab.deadline(5):
            return await env.CLERK.order("tea")
        """),
    case("a function that is called back", "shop", """\
        heard = []
        async with rpclab.deadline(5):
            await env.SHOP.visit(heard.append)
        return heard
        """),
    case("several reads at once", "bank shop", """\
        async with rpclab.deadline(5):
            return await rpclab.gather(env.BANK.balance(), env.SHOP.price("tea"))
        """),
    case("rows with a key", "notes", """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    return await env.NOTES.add("1", "milk")
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """,
        Seed(DOUBLED, "(key TEXT PRIMARY KEY, title TEXT)", "(key TEXT, title TEXT)", "notes")),
    case("an entry of KV", "notes", """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    return await env.NOTES.remember("name", "Ada")
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """,
        Seed(DOUBLED, "await self.env.KV.put(name, value)",
             'await self.env.KV.put(name, (await self.env.KV.get(name) or "") + value)', "notes")),
    case("an object that keeps what was said", "rooms", """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    return await env.ROOMS.say("1", "hello")
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """,
        Seed(DOUBLED, "said[key] = text", "said[f'{len(said)}'] = text", "rooms")),
    case("a stream", "films", """\
        async with rpclab.deadline(5):
            stream = await env.FILMS.film()
            return len(await stream.bytes())
        """),
    case("a cart that is opened again", "shop", """\
        for attempt in (1, 2):
            try:
                async with rpclab.deadline(5):
                    with await env.SHOP.cart() as cart:
                        return await cart.add("1", "tea")
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """),
    case("two carts, both or none", "shop spare", """\
        async with rpclab.deadline(5):
            with contextlib.ExitStack() as held:
                one = held.enter_context(await env.SHOP.cart())
                other = held.enter_context(await env.SPARE.cart())
                await one.add("1", "tea")
                return await other.add("1", "tea")
        """,
        Seed(DISPOSER, "other = held.enter_context(await env.SPARE.cart())",
             "other = await env.SPARE.cart()"),
        Seed(DISPOSER, """\
            with contextlib.ExitStack() as held:
                one = held.enter_context(await env.SHOP.cart())
                other = held.enter_context(await env.SPARE.cart())
                await one.add("1", "tea")
                return await other.add("1", "tea")
        """, """\
            one = await env.SHOP.cart()
            other = await env.SPARE.cart()
            await one.add("1", "tea")
            await other.add("1", "tea")
            one.dispose()
            other.dispose()
        """)),
    case("another Worker where the first is gone", "shop spare", """\
        for service in (env.SHOP, env.SPARE):
            try:
                async with rpclab.deadline(5):
                    return await service.price("tea")
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        """),
    case("a payment that is taken back", "bank shop", """\
        try:
            async with rpclab.deadline(5):
                await env.BANK.deposit(5, key="paid")
                return await env.SHOP.price("tea")
        except (rpclab.DisconnectedError, TimeoutError):
            async with rpclab.deadline(5):
                await env.BANK.deposit(-5, key="taken back")
            raise
        """),
    case("a job that is asked for again and again", "films", """\
        for attempt in range(4):
            try:
                async with rpclab.deadline(5):
                    await env.FILMS.begin("film")
                    if await env.FILMS.is_done("film"):
                        return True
            except (rpclab.DisconnectedError, TimeoutError):
                await asyncio.sleep(1)
        """,
        Seed(DOUBLED, "jobs.setdefault(key, 0)", "jobs[key] = jobs.get(key, 0) + 1", "films")),
]  # fmt: skip


def deploy(sandbox: Any, each: Case, seed: Seed | None = None, rtt: str = "100ms") -> Any:
    """Deploy the Workers of a program and give it; with something forgotten, if a seed says so."""
    for name in each.workers:
        options = dict(WORKERS[name])
        if seed is not None and seed.worker == name:
            assert seed.old in options["source"]
            options["source"] = options["source"].replace(seed.old, seed.new)
        sandbox.deploy(name, **options)
    sandbox.bind(**{name.upper(): name for name in each.workers})
    for name in each.workers if rtt else ():
        sandbox.link("notebook", name, rtt=rtt)
    body = each.body
    if seed is not None and not seed.worker:
        old, new = textwrap.dedent(seed.old), textwrap.dedent(seed.new)
        body = _replaced(body, old.rstrip("\n"), new.rstrip("\n"))
    return program_of(body)


def _replaced(body: str, old: str, new: str) -> str:
    """Put lines in the place of others, at the depth that these have."""
    for depth in range(0, 24, 4):
        indented = textwrap.indent(old, " " * depth)
        if indented in body and "\n" in old:
            return body.replace(indented, textwrap.indent(new, " " * depth))
    assert old in body, (old, body)
    return body.replace(old, new)
