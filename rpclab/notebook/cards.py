"""What a display says of a thing: a title, a remark, and rows. As text and as HTML.

Floor: notebook. Nothing here sends a message or runs code of the user, and the same state gives the
same text on every run.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.core.imports import Import
from rpclab.core.targets import surface
from rpclab.diagnostics.leaks import Leaks
from rpclab.placement.engine import HERE
from rpclab.previews import counted
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.looking import RESERVED, names_of, seen
from rpclab.rpc.stubs import RpcPromise, RpcProperty, RpcStub
from rpclab.sandbox import NOTEBOOK, Sandbox
from rpclab.trace.trace import Trace
from rpclab.views import traced
from rpclab.workers.env import Env
from rpclab.workers.objects.namespace import DurableObjectNamespace
from rpclab.workers.worker import Worker

if TYPE_CHECKING:
    from rpclab.sandbox import BindingTarget

_LONGEST = 60  # characters of a variable's value
_MEMBERS = 20  # that a card names

# Colours of JupyterLab's theme; elsewhere those of the page, so that dark pages stay readable.
FRAME = (
    "border: 1px solid var(--jp-border-color2, rgba(128, 128, 128, 0.4)); border-radius: 4px;"
    " padding: 6px 10px; display: inline-block; box-sizing: border-box; max-width: 100%;"
    " overflow-x: auto;"
    " color: var(--jp-content-font-color1, inherit);"
)
MUTED = "color: var(--jp-content-font-color2, inherit);"
CODE = "font-family: var(--jp-code-font-family, monospace); font-size: 0.93em;"
_PRE = f"{CODE} margin: 6px 0 0 0; padding: 0; background: none; color: inherit;"
CELL = "text-align: left; vertical-align: baseline; padding: 1px 14px 1px 0; border: none;"


class Card(NamedTuple):
    """What a display says."""

    title: str
    remark: str = ""
    rows: tuple[tuple[str, str], ...] = ()

    def text(self) -> str:
        """As plain text."""
        head = f"{self.title} ({self.remark})" if self.remark else self.title
        return "\n".join([head, *(f"  {name}: {value}" for name, value in self.rows)])

    def html(self) -> str:
        """As HTML, without a script."""
        remark = f' <span style="{MUTED}">{html.escape(self.remark)}</span>' if self.remark else ""
        rows = "".join(
            f'<tr style="background: none"><th scope="row" style="{CELL} font-weight: normal;'
            f' white-space: nowrap; {MUTED}">{html.escape(name)}</th>'
            f'<td style="{CELL} {CODE}">{html.escape(value)}</td></tr>'
            for name, value in self.rows
        )
        table = f'<table style="border: none; margin: 4px 0 0 0">{rows}</table>' if rows else ""
        return f'<div style="{FRAME}"><b>{html.escape(self.title)}</b>{remark}{table}</div>'


def worker_card(worker: Worker, sandbox: Sandbox) -> Card:
    """Describe a Worker: its version, entrypoints, bindings and variables."""
    rows = [
        (f"class {name}", ", ".join(_methods(kind)) or "no methods")
        for name, kind in {**worker.exports, **worker.objects}.items()
    ]
    if not rows:
        rows = [("no entrypoint", "define class Default(WorkerEntrypoint)")]
    return Card(worker.name, _version(worker, sandbox), (*rows, *_env_rows(worker.env, sandbox)))


def _methods(kind: type) -> list[str]:
    return [name for name in surface(kind) if name not in RESERVED]


def _version(worker: Worker, sandbox: Sandbox) -> str:
    present = sandbox.workers.get(worker.name)
    if present is None:
        return f"version {worker.version}, not deployed any more"
    if present is not worker:
        return f"version {worker.version}, replaced by version {present.version}"
    where = _where(worker)
    if worker.version > 1:
        return f"version {worker.version}{where}, replaces version {worker.version - 1}"
    return f"version 1{where}"


def env_card(env: Env, sandbox: Sandbox) -> Card:
    """Describe an environment: where its bindings lead, and its variables."""
    rows = _env_rows(env, sandbox)
    return Card(f"env of {env.__worker__}", "" if rows else "empty", rows)


def _env_rows(env: Env, sandbox: Sandbox) -> tuple[tuple[str, str], ...]:
    targets = sandbox.bindings(env.__worker__)
    bindings, variables = [], []
    for name in env:
        value = env[name]
        if name in targets and isinstance(value, ServiceBinding):
            bindings.append((f"env.{name}", f"→ {_leads_to(targets[name], sandbox)}"))
        elif isinstance(value, DurableObjectNamespace):
            bindings.append((f"env.{name}", f"→ {value}"))
        else:
            text = "(secret)" if name in env.__secret__ else repr(value)
            text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
            variables.append((f"env.{name}", text))
    return (*bindings, *variables)


def _leads_to(target: BindingTarget, sandbox: Sandbox) -> str:
    return str(target) if target.worker in sandbox.workers else f"{target} (not deployed yet)"


def sandbox_card(sandbox: Sandbox) -> Card:
    """Describe a sandbox: its Workers, the bindings of the notebook, and the live stubs."""
    held = live_stubs(sandbox)
    rows = [
        (
            worker.name,
            f"version {worker.version}{_where(worker)}; "
            + _list([*worker.exports, *worker.objects])
            + _holds(held, name),
        )
        for name, worker in sandbox.workers.items()
    ]
    names = _list(f"env.{name}" for name in sandbox.env)
    rows += [(NOTEBOOK, names + _holds(held, NOTEBOOK)), *_env_rows(sandbox.env, sandbox)]
    return Card("Sandbox", counted(len(sandbox.workers), "Worker"), tuple(rows))


def _where(worker: Worker) -> str:
    """On which nodes a Worker runs, if it is on any."""
    nodes = {node for node in getattr(worker, "nodes", ()) if node not in (None, HERE)}
    return f" on {', '.join(sorted(nodes))}" if nodes else ""


def _list(names: Any) -> str:
    return ", ".join(names) or "nothing"


def _holds(held: dict[str, int], name: str) -> str:
    return f"; holds {counted(held[name], 'stub')}" if held.get(name) else ""


def live_stubs(sandbox: Sandbox) -> dict[str, int]:
    """Count the stubs that each Worker, and the notebook, hold at present."""
    envs = [sandbox.env, *(worker.env for worker in sandbox.workers.values())]
    bindings = {
        env[name].__rpc_handle__().entry
        for env in envs
        for name in env
        if isinstance(env[name], ServiceBinding)
    }
    held: dict[str, int] = {}
    for session in sandbox.engine.sessions():
        here, _, there = session.name.partition("→")
        for entry in session.imports.values():
            if type(entry) is Import and entry not in bindings and here != there:
                held[here] = held.get(here, 0) + 1
    return held


def stub_card(stub: Any) -> Card:
    """Describe a stub, promise, property or binding."""
    rows: tuple[tuple[str, str], ...] = ()
    if isinstance(stub, RpcStub) and stub.__handle__.site:
        rows = (("made at", stub.__handle__.site),)
    elif isinstance(stub, RpcPromise) and stub.__pending__.site:
        rows = ((stub.__pending__.what or "called", f"made at {stub.__pending__.site}"),)
    names = names_of(seen(stub))
    if names:
        rows = (*rows, ("members", ", ".join(names[:_MEMBERS]) + ", …" * (len(names) > _MEMBERS)))
    return Card(repr(stub).strip("<>"), "", rows)


def trace_text(trace: Trace) -> str:
    """Show a trace as text. The cell it is of stands above it, and needs no name."""
    from rpclab.trace.pictures.labels import without_the_cell  # noqa: PLC0415 - where it is shown

    return without_the_cell(trace.text())


def trace_html(trace: Trace, sandbox: Sandbox) -> str:
    """Show a trace: its timeline, and what its text says."""
    figures = html.escape(trace.summary())
    if not trace.events:
        return f'<div style="{FRAME}">{figures}</div>'
    from rpclab.trace.pictures.labels import without_cells  # noqa: PLC0415 - as above
    from rpclab.trace.pictures.stored_html import kept  # noqa: PLC0415 - as above

    picture = kept(without_cells(traced(trace, workers=sandbox.workers).svg()))
    diagram, _, _ = trace_text(trace).partition(f"\n{trace.summary()}")
    # JupyterLab would break long lines anywhere; those of a diagram must stay as they are.
    pre = f"{_PRE} white-space: pre; line-height: 1.25;"
    forgotten = html.escape(without_cells(trace.unawaited))
    said = f"<div>{forgotten}</div>" if forgotten else ""
    return (
        f'<div style="{FRAME}">{picture}{said}<details><summary>As text: {figures}</summary>'
        f'<pre role="img" aria-label="{figures}" style="{pre}">{html.escape(diagram)}</pre>'
        "</details></div>"
    )


def leaks_html(leaks: Leaks) -> str:
    """Show leaks: how many, and of each where it was made, which opens what keeps it."""
    from rpclab.views.rendering import rows_html  # noqa: PLC0415 - as above

    count, _, _ = str(leaks).partition(":\n")
    said = [str(leak).partition("\n") for leak in leaks]
    rows = rows_html([(first, rest) for first, _, rest in said])
    return f'<div style="{FRAME}"><b>{html.escape(count)}</b>{rows}</div>'


__all__ = [
    "Card", "RpcProperty", "env_card", "leaks_html", "live_stubs", "sandbox_card", "stub_card",
    "trace_html", "trace_text", "worker_card",
]  # fmt: skip
