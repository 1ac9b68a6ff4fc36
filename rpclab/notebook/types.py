"""`%rpclab types`: the types of the sandbox's Workers, for type checkers and editors.

Floor: notebook.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from rpclab.errors import near
from rpclab.sandbox import NOTEBOOK
from rpclab.typegen.of_workers import types_of_sandbox

if TYPE_CHECKING:
    from rpclab.notebook.cells import Notebook

SUFFIX = ".pyi"


def show_types(notebook: Notebook, *given: str) -> None:
    """Print or write the types of the notebook's `env`, or of a Worker's.

    Args:
        notebook: whose Workers are known.
        given: the name of a Worker, and a `.pyi` file to write; both may be left out.

    Raises:
        UsageError: a word is neither, or the file cannot be written.
    """
    sandbox = notebook.sandbox
    files = [word for word in given if word.endswith(SUFFIX)]
    names = [word for word in given if not word.endswith(SUFFIX)]
    if len(files) > 1 or len(names) > 1:
        raise UsageError("%rpclab types takes one Worker and one file")
    name = names[0] if names else NOTEBOOK
    if name != NOTEBOOK and name not in sandbox.workers:
        hint = near(name, sandbox.workers) or "none is deployed yet"
        raise UsageError(f"no Worker {name!r} is deployed; {hint} (a file ends in {SUFFIX})")
    text, unknown = types_of_sandbox(sandbox, name)
    for sentence in unknown:
        print(sentence, file=sys.stderr)  # noqa: T201
    if not files:
        print(text, end="")  # noqa: T201
        return
    try:
        Path(files[0]).write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{files[0]} cannot be written: {error.strerror}") from None
    print(f"wrote {files[0]}")  # noqa: T201
