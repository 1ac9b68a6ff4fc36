"""Random programs on the storage of an object, beside the same on a dict."""

from __future__ import annotations

import random

import pytest

import rpclab

SOURCE = """
from workers import DurableObject

class Obj(DurableObject):
    async def play(self, program):
        s = self.ctx.storage
        return await play(program, s, s.transaction)

async def play(program, s, transaction):
    seen = []
    for step, *args in program:
        if step == "transaction":
            inner, end = args
            async def work(t):
                seen.extend(await play(inner, t, transaction))
                if end == "raise":
                    raise ValueError
                if end == "rollback":
                    t.rollback()
            try:
                await transaction(work)
            except ValueError:
                pass
        elif step == "list":
            seen.append(list((await s.list(**args[0])).items()))
        else:
            seen.append(await getattr(s, step)(*args))
    return seen
"""


def play_on_a_dict(program, values):
    """What the program sees and does, where the storage is a dict."""
    seen = []
    for step, *args in program:
        if step == "transaction":
            inner, end = args
            copy = dict(values)
            seen += play_on_a_dict(inner, copy)
            if end == "keep":
                values.clear()
                values.update(copy)
        elif step == "get" and type(args[0]) is list:
            seen.append({key: values[key] for key in sorted(set(args[0])) if key in values})
        elif step == "get":
            seen.append(values.get(args[0]))
        elif step == "put":
            values.update(args[0] if len(args) == 1 else {args[0]: args[1]})
            seen.append(None)
        elif step == "delete" and type(args[0]) is list:
            seen.append(sum(values.pop(key, None) is not None for key in set(args[0])))
        elif step == "delete":
            seen.append(values.pop(args[0], None) is not None)
        elif step == "list":
            seen.append(listed(values, **args[0]))
        else:
            values.clear()
            seen.append(None)
    return seen


def listed(values, prefix="", start="", start_after=None, end=None, limit=None, reverse=False):
    keys = [
        key
        for key in sorted(values, reverse=reverse)
        if key.startswith(prefix)
        and key >= start
        and (start_after is None or key > start_after)
        and (end is None or key < end)
    ]
    return [(key, values[key]) for key in keys[:limit]]


def make_program(rng, depth=0, length=12):
    def key():
        return rng.choice("abc") + rng.choice(["", "a", "é", "z"])

    def options():
        every = {
            "prefix": rng.choice("abc"), "end": key(), "limit": rng.randint(1, 4),
            "reverse": rng.random() < 0.5, rng.choice(["start", "start_after"]): key(),
        }  # fmt: skip
        return {name: every[name] for name in every if rng.random() < 0.4}

    def step():
        kinds = ["get", "gets", "put", "puts", "delete", "deletes", "list", "list"]
        kind = rng.choice(kinds + ["transaction"] * (depth < 3) * 2 + ["delete_all"] * (depth == 0))
        keys = [key() for _ in range(rng.randint(0, 4))]
        return {
            "get": lambda: ["get", key()],
            "gets": lambda: ["get", keys],
            "put": lambda: ["put", key(), rng.randint(1, 99)],
            "puts": lambda: ["put", {name: rng.randint(1, 99) for name in keys}],
            "delete": lambda: ["delete", key()],
            "deletes": lambda: ["delete", keys],
            "list": lambda: ["list", options()],
            "delete_all": lambda: ["delete_all"],
            "transaction": lambda: [
                "transaction", make_program(rng, depth + 1, 5),
                rng.choice(["keep", "raise", "rollback"]),
            ],
        }[kind]()  # fmt: skip

    return [step() for _ in range(length)]


@pytest.mark.parametrize("sql", [False, True], ids=["shared", "own"])
@pytest.mark.parametrize("seed", range(5))
async def test_the_storage_does_what_a_dict_does(tmp_path, seed, sql):
    rng = random.Random(seed)  # noqa: S311 - the same on every run
    models = {name: {} for name in "xyz"}
    source = SOURCE
    if sql:
        source = SOURCE.replace(
            "s = self.ctx.storage\n", "s = self.ctx.storage; s.sql.exec('SELECT 1')\n"
        )
    for _ in range(4):
        async with rpclab.Sandbox(storage=tmp_path) as sandbox:
            sandbox.deploy("callee", source=source)
            ns = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
            for _ in range(8):
                programs = {name: make_program(rng) for name in models}
                seen = await rpclab.gather(
                    *[ns.get_by_name(name).play(program) for name, program in programs.items()]
                )
                expected = [play_on_a_dict(programs[name], models[name]) for name in models]
                assert seen == expected
                if rng.random() < 0.2:
                    sandbox.evict("callee#Obj")
