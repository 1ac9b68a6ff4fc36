"""What Dask runs on a node for a sandbox: it starts an agent, and waits for its end.

Floor: sandbox. Only plain text crosses: the errand, and why the agent has ended.
"""

from __future__ import annotations

import os
import subprocess
import tempfile

from rpclab.placement.boot import booting
from rpclab.placement.exits import how

_SHOWN = 2000  # characters of what it has written to stderr last


def run_agent(errand: str) -> str:
    """Run an agent as a child of this Dask worker.

    It gives its thread back to the worker, for other tasks. The agent ends with the worker: its
    stdin does then.

    Args:
        errand: what it is told; see `agent.Errand`.

    Returns:
        Why it has ended.
    """
    from distributed import secede  # noqa: PLC0415 - on a node alone

    secede()
    command = [*booting("agent"), str(os.getpid())]
    with tempfile.TemporaryFile() as said:
        agent = subprocess.Popen(  # noqa: S603 - it is this very library
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            process_group=0,  # what a terminal interrupts there is no business of ours
        )
        assert agent.stdin is not None  # noqa: S101 - for the type checker
        try:
            agent.stdin.write(errand.encode())
            agent.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and says why
        code = agent.wait()
        agent.stdin.close()
        said.seek(0)
        text = said.read().decode("utf-8", "replace").strip()
    why = f"its agent ended: {how(code)}"
    return f"{why}: {text[-_SHOWN:]}" if text else why
