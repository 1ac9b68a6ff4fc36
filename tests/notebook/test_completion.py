"""What Tab offers."""

import pytest
from support.kernels import COUNTER

from rpclab.notebook.magics import RpcLab


@pytest.fixture
def completing(kernel):
    kernel.run(COUNTER)
    kernel.run("%%worker client --bind C=counter-service#CounterService\ndef fetch(r, e, c): pass")
    kernel.run("%%worker chat\nfrom workers import DurableObject\nclass Room(DurableObject): pass")
    return kernel


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
        ("%%worker w --at am", ["amsterdam"], "am"),
        ("%rpclab l", ["leaks", "link", "locate"], "l"),
        ("%rpclab ", sorted(RpcLab.COMMANDS), ""),
        ("%rpclab link no", ["notebook"], "no"),
        ("%rpclab link notebook cl", ["client"], "cl"),
        ("%rpclab link notebook client --r", ["--rtt"], "--r"),
        ("%rpclab locate client=to", ["tokyo"], "to"),
        ("%rpclab clock v", ["virtual"], "v"),
        ("%rpclab re", ["record", "replay", "reset"], "re"),
        ("%rpclab replay f", ["fail"], "f"),
        ("%rpclab replay link notebook cl", ["client"], "cl"),
        ("%rpclab replay locate client=to", ["tokyo"], "to"),
        ("%rpclab faults --", ["--most"], "--"),
    ],
)
def test_tab_offers_what_fits_and_nothing_else(completing, text, offered, replaced):
    matches, fragment = completing.complete(text)
    assert sorted(matches) == offered
    assert fragment == replaced


def test_python_completes_as_usual_below_and_elsewhere(completing):
    assert "print" in completing.complete("%%worker w --bind A=client\npri")[0]
    assert "print" in completing.complete("pri")[0]
    assert completing.complete("%%worker w\nx --b")[0] != ["--bind"]
