"""The Worker whose types are generated: one method for each way in which a type can cross."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, NotRequired, Self, TypedDict

from tags import Tag
from workers import DurableObject, Response, RpcTarget, WorkerEntrypoint

if TYPE_CHECKING:
    from rpclab.typed import Stub

Scores = dict[str, int]


class User(TypedDict):
    name: str
    counter: Counter
    nickname: NotRequired[str]


class Mixin:
    def mixed_in(self) -> int:
        return 1


class Base(RpcTarget):
    def inherited(self) -> bool:
        return True


class Counter(Mixin, Base):
    shared = 5

    def __init__(self) -> None:
        self.total = 0

    def increment(self, amount: int = 1) -> int:
        self.total += amount
        return self.total

    add = increment

    @property
    def value(self) -> int:
        return self.total

    @functools.cached_property
    def first(self) -> Tag:
        return Tag()

    @staticmethod
    def hidden_static() -> int:
        return 1

    def _hidden(self) -> int:
        return 1

    def child(self) -> Self:
        return self

    def list(self) -> list[Counter]:
        return [self]

    def maybe(self, *, deep: bool = False) -> Counter | None:
        return self if deep else None

    async def watch(self, on_change: Callable[[int], None]) -> Callable[[str], int]:
        on_change(1)
        return len

    def ask(self, question: Callable[[Counter], Awaitable[str]]) -> Awaitable[str]:
        return question(self)

    async def keep(self, on_change: Stub[[int], str]) -> str:
        kept = on_change.dup()
        return await kept(self.total)

    def join(self, other: Counter) -> None:
        self.total += other.total

    def user(self) -> User:
        return {"name": "Ada", "counter": self}

    def names(self) -> dict[str, Counter]:
        return {"one": self}

    def scores(self) -> Scores:
        return {"one": 1}

    def when(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    async def numbers(self) -> AsyncIterator[int]:
        yield 1

    def anything(self, x, *more: Any, **options: int):
        return x

    def dispose(self) -> None:
        self.total = 0


class CounterService(WorkerEntrypoint):
    async def new_counter(self):
        return Counter()

    def page(self) -> Response:
        return Response("hello")

    async def fetch(self, request):
        return Response("hello")


class Room(DurableObject):
    async def enter(self, who: str) -> int:
        return len(who)
