"""How a program of this library is started in another interpreter.

Floor: sandbox.
"""

from __future__ import annotations

import json
import sys


def booting(module: str, *options: str) -> list[str]:
    """The command that runs `main` of a module of this package; it finds modules as we do.

    What is put behind it is what `main` finds in `sys.argv[1:]`.

    Args:
        module: its name, in this package.
        options: of the interpreter.
    """
    code = (
        "import sys, json; sys.path[:] = json.loads(sys.argv.pop(1));"
        f"from rpclab.placement.{module} import main; main()"
    )
    return [sys.executable, *options, "-c", code, json.dumps(sys.path)]
