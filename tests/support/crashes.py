"""Programs that are killed: children which write, say so, and die at any moment."""

from __future__ import annotations

import signal
import subprocess
import sys


def killed_after(program, lines, *args):
    """Run a program, and kill it once it has printed so many lines.

    Returns:
        All that it printed, whole lines only; the last may have come after the kill was decided.
    """
    command = [sys.executable, "-c", program, *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        printed = []
        while len(printed) < lines:
            line = child.stdout.readline()
            if not line:
                raise AssertionError("the program has ended by itself")
            printed.append(line)
        child.kill()
        printed += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    return [line.rstrip("\n") for line in printed if line.endswith("\n")]
