"""How our objects look in an output."""

import pytest
from support.kernels import COUNTER

pytestmark = pytest.mark.any_kernel


@pytest.fixture
def deployed(kernel):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService")
    kernel.run("promise = env.COUNTER.new_counter()\nstub = await promise")
    return kernel


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sandbox", "Sandbox (1 Worker)"),
        ("sandbox.workers['counter-service']", "counter-service (version 1)"),
        ("env", "env of notebook"),
        ("stub", "<RpcStub counter-service#"),
        ("promise", "<RpcPromise of counter-service, resolved: await it>"),
        ("stub.increment", "<RpcProperty increment of "),
        ("env.COUNTER", "<ServiceBinding counter-service#"),
    ],
)
def test_a_display_has_text_and_a_card_and_sends_nothing(deployed, name, text):
    deployed.run("with sandbox.trace() as trace: pass")
    deployed.run("sent = []; note = sent.append; sandbox.engine.watch(note)")
    shown = deployed.run(name)
    assert shown.value.startswith(text)
    assert "var(--jp-" in shown.html
    assert " at 0x" not in shown.value + shown.html
    assert deployed.value("sandbox.engine.unwatch(note)\nsent") == "[]"


def test_html_is_escaped(kernel):
    shown = kernel.run("%%worker w --var A=<b>bold</b>\ndef fetch(r, e, c): pass")
    assert "<b>bold" not in shown.html
    assert "&lt;b&gt;bold" in shown.html


def test_cards_can_be_turned_off(kernel):
    kernel.run("%config RpcLab.show_html = False")
    shown = kernel.run(COUNTER)
    kernel.run("%config RpcLab.show_html = True")
    assert shown.html is None
    assert shown.value.startswith("counter-service")


def test_a_worker_without_an_entrypoint_says_what_to_define(kernel):
    assert "define class Default(WorkerEntrypoint)" in kernel.run("%%worker w\nx = 1").value
