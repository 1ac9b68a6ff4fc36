"""`rpclab export`: the Workers of a notebook, or of files, as a project.

Floor: cli.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from rpclab.cli.base import DONE, Command, Failure, hint
from rpclab.declared import Declared
from rpclab.export import export as write
from rpclab.printable import printable

BOOK = ".ipynb"
_PATIENCE = 600  # seconds for a cell


@click.command(
    "export",
    cls=Command,
    short_help="write the Workers of a notebook as a project that `rpclab serve` runs",
    examples="""
rpclab export lesson.ipynb shop             # the cells are read, and not run
rpclab export lesson.ipynb shop --run       # run them first: for what only Python knows
rpclab export lesson.ipynb shop --force     # take the place of files that say something else
""",
)
@click.argument("notebook", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--run", is_flag=True, help="Run the cells, and export what is deployed then.")
@click.option("--force", is_flag=True, help="Replace files that say something else.")
def export(notebook: Path, folder: Path, run: bool, force: bool) -> int:
    """Write the Workers of a notebook as a project: a folder for each, with its configuration.

    What its cells declare (%%worker, %%wrangler, %wrangler) is read; none of them is run, unless
    --run says so. Secrets are not written. Files that are there and say something else stay as
    they are, and then nothing is written. What Cloudflare would need changed is listed, and stands
    in CLOUDFLARE.md.
    """
    if notebook.suffix != BOOK:
        raise click.BadParameter(f"{str(notebook)!r} does not end in {BOOK}", param_hint="NOTEBOOK")
    if run:
        click.echo(_run(notebook, folder, force=force))
        return DONE
    workers, unknown = _read(notebook)
    if not workers and unknown:
        raise Failure("\n".join([*unknown, "--run runs the cells, and exports what is deployed"]))
    here = notebook.resolve().parent
    click.echo(write(workers, folder, force=force, here=here).text())
    for sentence in unknown:
        hint(printable(sentence))
    if unknown:
        hint("--run runs the cells, and exports what is deployed then")
    return DONE


def _read(notebook: Path) -> tuple[list[Declared], list[str]]:
    try:
        from rpclab.notebook.notebook_file import read_book  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if error.name != "IPython":
            raise
        raise ImportError("to read notebooks, install the extra rpclab[notebook]") from None
    book = read_book(notebook)
    return list(book.workers.values()), book.unknown


def _run(notebook: Path, folder: Path, *, force: bool) -> str:
    """Run the cells in a kernel of their own, and export there.

    Raises:
        Failure: a cell fails, or nothing can be exported.
        ImportError: what runs notebooks is not installed.
    """
    try:
        import nbformat  # noqa: PLC0415 - as above
        from nbclient import NotebookClient  # noqa: PLC0415
        from nbclient.exceptions import CellExecutionError  # noqa: PLC0415
    except ModuleNotFoundError:
        raise ImportError("to run notebooks, install nbclient, or rpclab[lab]") from None
    book = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    target = json.dumps(str(folder.resolve()))
    line = (
        "from rpclab.declared import declared as _declared\n"
        "from rpclab.export import export as _export\n"
        f"print(_export(_declared(sandbox), {target}, force={force}))"
    )
    book.cells.append(nbformat.v4.new_code_cell(line))  # type: ignore[no-untyped-call]
    where = {"metadata": {"path": str(notebook.resolve().parent)}}
    client = NotebookClient(book, timeout=_PATIENCE, kernel_name="python3", resources=where)
    try:
        client.execute()
    except CellExecutionError as error:
        raise Failure(f"a cell failed: {error.ename}: {error.evalue}") from None
    return "".join(output.get("text", "") for output in book.cells[-1].outputs).rstrip("\n")
