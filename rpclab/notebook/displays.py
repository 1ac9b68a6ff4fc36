"""How IPython shows our objects: as text, and as a card where HTML is shown.

Floor: notebook.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rpclab.core.imports import PENDING, REJECTED, Pending, UnseenFailure
from rpclab.diagnostics.leaks import Leaks
from rpclab.notebook.cards import (
    Card,
    env_card,
    leaks_html,
    sandbox_card,
    stub_card,
    trace_html,
    trace_text,
    worker_card,
)
from rpclab.notebook.d1_results import result_html, result_text
from rpclab.notebook.responses import response_html
from rpclab.notebook.widgets import Live
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.stubs import RpcPromise, RpcProperty, RpcStub
from rpclab.sandbox import Sandbox
from rpclab.trace.pictures.labels import without_cells, without_the_cell
from rpclab.trace.trace import Trace
from rpclab.views import View
from rpclab.workers.d1.database import D1Result
from rpclab.workers.env import Env
from rpclab.workers.worker import Worker

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rpclab.whatif import Faults


Bundle = dict[str, str]

# By its name, for whoever fetches nothing never loads the class.
_RESPONSE = ("rpclab.workers.http.responses", "Response")
_FAULTS = ("rpclab.whatif.scrubbing", "Faults")
_WHAT_IF = ("rpclab.whatif.comparing", "WhatIf")


class Displays:
    """The formatters of our types, while they are installed.

    Args:
        shell: whose formatters they become.
        sandbox: what Workers and environments are described by.
        html: says whether HTML is wanted.
    """

    def __init__(self, shell: InteractiveShell, sandbox: Sandbox, html: Callable[[], bool]) -> None:
        self._formatter = shell.display_formatter.mimebundle_formatter
        self._plain = shell.display_formatter.formatters["text/plain"]
        self._live = Live(shell)
        self._sandbox = sandbox
        self._html = html
        self._before: dict[type, Any] = {}

    def install(self) -> None:
        """Show our types in our way from now on."""
        self._live.install()
        shown: dict[type, Callable[[Any], Bundle]] = {
            Worker: lambda worker: self._card(worker_card(worker, self._sandbox)),
            Env: lambda env: self._card(env_card(env, self._sandbox)),
            Sandbox: lambda sandbox: self._card(sandbox_card(sandbox)),
            Leaks: lambda leaks: self._bundle(str(leaks), lambda: leaks_html(leaks)),
            D1Result: lambda result: self._bundle(result_text(result), lambda: result_html(result)),
            Trace: lambda trace: self._bundle(
                trace_text(trace), lambda: trace_html(trace, self._sandbox)
            ),
            View: self._view,
        }
        for remote in (RpcStub, RpcPromise, RpcProperty, ServiceBinding):
            shown[remote] = self._stub
        for kind, show in shown.items():
            self._before[kind] = self._formatter.for_type(kind, show)
        for name, show in self._rare().items():
            self._formatter.for_type_by_name(*name, show)
        # IPython prints every kind of dict in a way of its own, which would win over the bundle.
        self._plain.for_type(D1Result, lambda result, out, _: out.text(result_text(result)))

    def uninstall(self) -> None:
        """Show them as before."""
        self._live.uninstall()
        for kind, before in self._before.items():
            self._formatter.pop(kind, None)
            if before is not None:
                self._formatter.for_type(kind, before)
        self._before.clear()
        for name in self._rare():
            self._formatter.pop(".".join(name), None)
        self._plain.pop(D1Result, None)

    def _rare(self) -> dict[tuple[str, str], Callable[[Any], Bundle]]:
        """What not every notebook shows, by its name: so its class is loaded by who makes one."""
        return {
            _RESPONSE: lambda shown: self._bundle(repr(shown), lambda: response_html(shown)),
            _FAULTS: self._faults,
            # Of one block, whose places are told by their lines alone.
            _WHAT_IF: lambda shown: self._bundle(
                without_the_cell(shown.text()), lambda: without_cells(shown.html(keep=True))
            ),
        }

    def _faults(self, faults: Faults) -> Bundle:
        bundle = self._live.bundle(faults) if self._html() else {"text/plain": faults.text()}
        return {kind: without_the_cell(text) for kind, text in bundle.items()}

    def _card(self, card: Card) -> Bundle:
        return self._bundle(card.text(), card.html)

    def _stub(self, stub: Any) -> Bundle:
        if isinstance(stub, RpcPromise):
            _tell_if_it_fails(stub.__pending__)
        return self._bundle(repr(stub), lambda: stub_card(stub).html())

    def _view(self, view: View) -> Bundle:
        if not self._html():
            return {"text/plain": view.text()}
        return self._live.bundle(view)

    def _bundle(self, text: str, html: Callable[[], str]) -> Bundle:
        bundle = {"text/plain": text}
        if self._html():
            bundle["text/html"] = html()
        return bundle


def _tell_if_it_fails(pending: Pending) -> None:
    """Tell of a failure at once: IPython keeps what a cell shows, so that it is never forgotten.

    What has failed already says so itself.
    """

    def settled() -> None:
        if pending.state == REJECTED and not (pending.waiters or pending.uses or pending.disposed):
            UnseenFailure(pending, pending.value).drop()

    if pending.state == PENDING:
        pending.follow(settled)
