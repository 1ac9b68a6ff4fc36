"""`%rpclab export`: the Workers of the notebook as a project in files.

Floor: notebook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from rpclab.declared import declared
from rpclab.errors import RpcError
from rpclab.export import Exported, export
from rpclab.notebook.commands import EXPORT_OPTIONS
from rpclab.notebook.options import read_options, texts, usage

if TYPE_CHECKING:
    from rpclab.notebook.cells import Notebook


def export_to(notebook: Notebook, *given: str) -> Exported:
    """Write the Workers of a notebook: `%rpclab export FOLDER [--force]`.

    Args:
        notebook: whose Workers they are.
        given: the words of the line.

    Raises:
        UsageError: a word is not understood; or the project cannot be written, and nothing was.
    """
    folders, force = [], False
    for flag, word in read_options(texts(given), EXPORT_OPTIONS, "%rpclab export"):
        if flag is None:
            folders.append(word.text)
        else:
            force = True
    if len(folders) != 1:
        raise UsageError("%rpclab export takes one folder, such as: %rpclab export shop")
    try:
        return export(declared(notebook.sandbox), folders[0], force=force)
    except (RpcError, OSError) as error:
        raise usage(error) from None
