"""Every public function says what it takes, in its docstring."""

import inspect
import re

import pytest

import rpclab
import rpclab.views
from rpclab import javascript, workers
from rpclab.trace.recording import Recording
from rpclab.workers.context import Context
from rpclab.workers.d1.database import D1Database
from rpclab.workers.kv.namespace import KVNamespace
from rpclab.workers.objects.namespace import DurableObjectNamespace
from rpclab.workers.objects.state import DurableObjectState
from rpclab.workers.storage.storage import DurableObjectStorage

PUBLIC = [
    *(getattr(rpclab, name) for name in rpclab.__all__),
    *(getattr(javascript, name) for name in javascript.__all__),
    *(getattr(rpclab.views, name) for name in rpclab.views.__all__),
    *(getattr(workers, name) for name in workers.LATER),
    Context, D1Database, DurableObjectNamespace, DurableObjectState, DurableObjectStorage,
    KVNamespace, Recording,
]  # fmt: skip


def functions():
    """Each public function, and each public method of a public class, by its qualified name."""
    found = {}
    for thing in PUBLIC:
        members = [thing]
        if inspect.isclass(thing):
            ours = [base for base in thing.__mro__ if base.__module__.startswith("rpclab")]
            members = [
                getattr(value, "__func__", value)
                for base in ours
                for name, value in vars(base).items()
                if not name.startswith("_")
            ]
        found |= {each.__qualname__: each for each in members if inspect.isfunction(each)}
    return found


FUNCTIONS = functions()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_what_it_takes_is_described(name):
    function = FUNCTIONS[name]
    text = inspect.getdoc(function)
    assert text, "it has no docstring"
    section = text.partition("\nArgs:\n")[2]
    taken = [each for each in inspect.signature(function).parameters if each[0] != "_"]
    assert [
        each
        for each in taken
        if each not in ("self", "cls") and not re.search(rf"^    {each}: \S", section, re.MULTILINE)
    ] == []
