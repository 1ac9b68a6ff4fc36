"""`%load_ext rpclab`: one sandbox for the shell, and everything around it; and taking it away.

Floor: notebook. Loading prints nothing. Unloading leaves nothing behind: it closes the sandbox (all
stubs break, all Workers are forgotten) and takes back what it put into the shell, the kernel, the
event loop and the user's namespace. So `%reload_ext rpclab` begins with an empty sandbox.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from rpclab.diagnostics import places
from rpclab.notebook.blocking import watch_for_blocking
from rpclab.notebook.browser import output_under_its_cell
from rpclab.notebook.cells import Cells, await_our_magics
from rpclab.notebook.completion import completer
from rpclab.notebook.displays import Displays
from rpclab.notebook.help import help_of_the_remote
from rpclab.notebook.interrupts import Interrupts
from rpclab.notebook.magics import RpcLab
from rpclab.notebook.names import Names
from rpclab.notebook.output import (
    Labels,
    Reports,
    label_prints,
    output_variables,
    report_lost_tasks,
)
from rpclab.notebook.parent_headers import end_requests_under_their_headers
from rpclab.notebook.shims import Heart, hide_our_frames, reply_through_the_stream
from rpclab.notebook.widgets import close_live
from rpclab.notebook.widgets.comm_messages import hear_controls
from rpclab.notebook.wrangler import Wrangler
from rpclab.rpc import sync
from rpclab.sandbox import Sandbox

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.magic import Magics

_loaded: WeakKeyDictionary[InteractiveShell, Extension] = WeakKeyDictionary()


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Load the extension into a shell (`%load_ext rpclab`)."""
    if shell not in _loaded:
        _loaded[shell] = Extension(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the extension out of a shell (`%unload_ext rpclab`)."""
    extension = _loaded.pop(shell, None)
    if extension is not None:
        extension.unload()


class Extension:
    """The extension in one shell.

    Args:
        shell: the shell.

    Attributes:
        sandbox: the sandbox of the shell.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.sandbox = Sandbox(record=True)
        self._shell = shell
        self._undo: list[Callable[[], None]] = [self.sandbox.close, places.names.clear]
        self._names = Names(shell, {"env": self.sandbox.env, "sandbox": self.sandbox})
        self._put_magics_in()
        self._attend_to_the_loop()
        self._put_names_in()

    def unload(self) -> None:
        """Take everything back, the last thing first."""
        while self._undo:
            self._undo.pop()()

    def _put_magics_in(self) -> None:
        shell = self._shell
        cells = Cells(shell)
        magics = RpcLab(shell, self.sandbox, cells, self._names)
        for each in (magics, Wrangler(shell, self.sandbox, cells)):
            shell.register_magics(each)
            self._undo.append(partial(_remove_magics, shell, each))
        self._add(shell.input_transformers_post, await_our_magics)
        self._add(shell.Completer.custom_matchers, completer(shell, self.sandbox))
        self._listen("pre_run_cell", cells.about_to_run)
        displays = Displays(shell, self.sandbox, lambda: bool(magics.show_html))
        displays.install()
        self._undo += [displays.uninstall, hide_our_frames(shell), help_of_the_remote(shell)]
        self._undo += [close_live, hear_controls(shell)]
        labels = Labels(lambda: bool(magics.label_prints))
        self._undo.append(label_prints(labels))
        self.sandbox.tell_printed = labels.tell

    def _attend_to_the_loop(self) -> None:
        shell = self._shell
        loop = _running_loop()
        if loop is not None:
            sync.remember(loop)
            self.sandbox.engine.attend(loop)
            heart = Heart(loop)
            self._undo += [sync.forget, heart.stop, report_lost_tasks(loop, self.sandbox)]
            self._undo.append(watch_for_blocking(lambda: heart.beats))
        kernel = getattr(shell, "kernel", None)
        self._undo += [end_requests_under_their_headers(kernel), reply_through_the_stream(kernel)]
        self._undo.append(output_under_its_cell(shell))
        self.sandbox.engine.carry_with_calls(output_variables(shell))
        self._add(logging.getLogger("rpclab").handlers, Reports())
        interrupts = Interrupts(shell, self.sandbox, loop)
        interrupts.install()
        self._undo.append(interrupts.uninstall)
        self._listen("pre_run_cell", lambda _info: self._rest(now=False))
        self._listen("post_run_cell", lambda _result: self._rest(now=True))
        self._listen("pre_run_cell", interrupts.about_to_run)
        self._listen("post_run_cell", interrupts.has_run)

    def _rest(self, *, now: bool) -> None:
        """Let a virtual clock stand still between cells, unless somebody waits for a promise."""
        guest = self.sandbox.engine.guest
        if guest is not None:
            guest.rest(now)

    def _put_names_in(self) -> None:
        self._names.put_in()
        self._listen("post_run_cell", lambda _result: self._names.put_in())
        self._undo.append(self._names.take_out)

    def _add(self, where: list[Any], item: object) -> None:
        where.append(item)
        self._undo.append(lambda: where.remove(item) if item in where else None)

    def _listen(self, event: str, callback: Callable[..., None]) -> None:
        self._shell.events.register(event, callback)
        self._undo.append(lambda: self._shell.events.unregister(event, callback))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # a terminal: its loop runs only while a cell awaits
        return None


def _remove_magics(shell: InteractiveShell, magics: Magics) -> None:
    for kind, ours in magics.magics.items():
        present = shell.magics_manager.magics[kind]
        for name in ours:
            present.pop(name, None)
    shell.magics_manager.registry.pop(type(magics).__name__, None)
    if magics in shell.configurables:
        shell.configurables.remove(magics)
