"""`%rpclab export`: the Workers of the notebook as a project in files.

Floor: notebook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from rpclab.declared import declared
from rpclab.errors import RpcError, near
from rpclab.export import Exported, export

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox

FORCE = "--force"


def export_to(sandbox: Sandbox, given: list[str]) -> Exported:
    """Write the Workers of a sandbox: `%rpclab export FOLDER [--force]`.

    Args:
        sandbox: whose Workers they are.
        given: the words of the line.

    Raises:
        UsageError: a word is not understood; or the project cannot be written, and nothing was.
    """
    flags = [word for word in given if word.startswith("-")]
    folders = [word for word in given if not word.startswith("-")]
    for flag in flags:
        if flag != FORCE:
            raise UsageError(f"%rpclab export has no option {flag}; {near(flag, [FORCE])}")
    if len(folders) != 1:
        raise UsageError("%rpclab export takes one folder, such as: %rpclab export shop")
    try:
        return export(declared(sandbox), folders[0], force=bool(flags))
    except (RpcError, OSError) as error:
        raise UsageError("; ".join([str(error), *getattr(error, "__notes__", ())])) from None
