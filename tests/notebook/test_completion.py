"""What Tab offers: in a shell of this process, and once more in each kernel."""

from types import SimpleNamespace

import pytest
from IPython.core.completer import CompletionContext
from support.kernels import COUNTER

from rpclab.notebook.commands import COMMANDS
from rpclab.notebook.completion import completer

CHAT = "from workers import DurableObject\nclass Room(DurableObject): pass"


@pytest.fixture
def offered_by(sandbox):
    """Give what our matcher offers at the end of a text, and the text that it replaces."""
    sandbox.deploy("counter-service", source=COUNTER.partition("\n")[2])
    sandbox.deploy("client", source="def fetch(r, e, c): pass")
    sandbox.deploy("chat", source=CHAT)
    complete = completer(SimpleNamespace(user_ns={}), sandbox)

    def offered(text):
        lines = text.split("\n")
        found = complete(CompletionContext("", text, len(lines[-1]), len(lines) - 1, 100))
        return [each.text for each in found["completions"]], found.get("matched_fragment")

    return offered


@pytest.mark.parametrize(
    ("text", "offered", "replaced"),
    [
        (
            "%%worker w --",
            [
                "--at",
                "--bind",
                "--concurrency",
                "--d1",
                "--json",
                "--kv",
                "--object",
                "--on",
                "--overload",
                "--queue",
                "--var",
            ],
            "--",
        ),
        ("%%worker w --b", ["--bind"], "--b"),
        ("%%worker w --concurrency 2 --overload ", ["newest", "oldest"], ""),
        ("%%worker w --bind A=", ["chat", "client", "counter-service"], ""),
        ("%%worker w --bind A=counter-s", ["counter-service"], "counter-s"),
        ("%%worker w --bind=A=cl", ["client"], "cl"),
        ("%%worker w --bind A=counter-service#", ["CounterService"], ""),
        ("%%worker w --object R=", ["Room@chat"], ""),
        ("%bind --object R=Ro", ["Room@chat"], "Ro"),
        ("%bind --", ["--object"], "--"),
        ("%%worker co", ["counter-service"], "co"),
        ("%bind A=client B=counter-service#Cou", ["CounterService"], "Cou"),
        ("x = 1\n%bind A=cl", ["client"], "cl"),
        ("%%wrangler --", ["--env"], "--"),
        ("%%trace --", ["--text"], "--"),
        ("%%trace ", ["--text"], ""),
        ("%%worker w --on p", ["process"], "p"),
        ("%%worker w --bind", ["--bind"], "--bind"),
        ("%%worker w --at am", ["amsterdam"], "am"),
        ("%rpclab l", ["leaks", "link", "locate"], "l"),
        ("%%worker w --on ", ["dask", "kernel", "process"], ""),
        ("%rpclab place cl", ["client"], "cl"),
        ("%rpclab place client k", ["kernel"], "k"),
        ("%rpclab place client kernel ", [], ""),
        ("%rpclab ", sorted(COMMANDS), ""),
        ("%rpclab link no", ["notebook"], "no"),
        ("%rpclab link notebook cl", ["client"], "cl"),
        ("%rpclab link notebook client --r", ["--rtt"], "--r"),
        ("%rpclab locate client=to", ["tokyo"], "to"),
        ("%rpclab clock v", ["virtual"], "v"),
        ("%rpclab re", ["record", "replay", "reset"], "re"),
        ("%rpclab replay f", ["fail"], "f"),
        ("%rpclab replay link notebook cl", ["client"], "cl"),
        ("%rpclab replay locate client=to", ["tokyo"], "to"),
        ("%rpclab replay link notebook client --j", ["--jitter"], "--j"),
        ("%rpclab replay pipelining ", ["off"], ""),
        ("%rpclab replay fail cl", ["client."], "cl"),
        ("%rpclab faults --", ["--most"], "--"),
        ("%rpclab export --", ["--force"], "--"),
        ("%rpclab record ", ["clear"], ""),
        ("%rpclab storage m", ["memory"], "m"),
        ("%rpclab types c", ["chat", "client", "counter-service"], "c"),
        ("%rpclab validate o", ["off", "on"], "o"),
        ("%rpclab reset ", [], ""),
        ("%rpclab no-such ", [], ""),
    ],
)
def test_tab_offers_what_fits_and_nothing_else(offered_by, text, offered, replaced):
    matches, fragment = offered_by(text)
    assert sorted(matches) == offered
    assert fragment == replaced


def test_each_kernel_offers_this_on_our_lines_and_python_elsewhere(kernel):
    kernel.run(COUNTER)
    assert kernel.complete("%%worker w --b") == (["--bind"], "--b")
    assert kernel.complete("x = 1\n%bind A=coun") == (["counter-service"], "coun")
    assert "print" in kernel.complete("%%worker w --bind A=client\npri")[0]
    assert "print" in kernel.complete("pri")[0]
    assert kernel.complete("%%worker w\nx --b")[0] != ["--bind"]
