"""A world whose Workers run in processes of their own, for tests that are written for one."""

from __future__ import annotations

import ast
import textwrap

from rpclab.placement.processes import ProcessEngine
from support.world import PRELUDE, World

MARK = "\0log "

LOG = f"""
import sys
def log(item):
    sys.stdout.write({MARK!r} + repr(item) + "\\n")
"""

CLOCK = """
import asyncio
def _sleep(seconds, result=None, sleep=asyncio.sleep):
    return sleep(seconds / 100, result)
asyncio.sleep = _sleep
"""
"""There is no virtual time in other processes: what sleeps there for a second sleeps 10 ms."""


class OneZygote(ProcessEngine):
    """The engine of all tests of a module: what ends with a sandbox is its hosts alone."""

    def serve(self, sandbox):
        """Start the processes of a sandbox."""
        self.watch(sandbox.programs._host_ended)
        sandbox.programs._engines[()] = self

    @property
    def own(self):
        """The process id of the zygote, if it runs."""
        return set() if self._zygote is None else {self._zygote.pid}

    def close(self):
        for number in list(self._lines):
            self.stop(number)
        while self._lines:
            next(iter(self._lines.values())).wait(10)
        self._stop_listening()

    def end(self):
        super().close()


class InProcesses(World):
    """A world whose Workers run in processes of their own.

    Args:
        sandbox: where they are deployed.
        engine: starts the processes.
    """

    placement = "process"

    def __init__(self, sandbox, engine) -> None:
        self._log = []
        super().__init__(sandbox)
        sandbox.tell_printed = self._told
        engine.serve(sandbox)

    @property
    def log(self):
        """What was logged. It comes by the line of each process, beside what is answered."""
        for host in list(self.sandbox.programs.hosts.values()):
            host.line.catch_up()
        return self._log

    @log.setter
    def log(self, log):
        self._log = log

    def _told(self, worker, stream, text):
        for line in text.splitlines():
            if line.startswith(MARK):
                self._log.append(ast.literal_eval(line.removeprefix(MARK)))

    def deploy(self, source, name="callee", **bind):
        text = LOG + CLOCK + PRELUDE + textwrap.dedent(source)
        self.sandbox.deploy(name, source=text, bind=bind, placement=self.placement)
        return self.bind(**{name.upper(): name})
