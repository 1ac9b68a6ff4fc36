"""A notebook as a file: the Workers that its cells declare, without running them.

Floor: notebook. What only Python knows is named, with its cell: `--run` runs the cells instead.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.core.inputtransformer2 import TransformerManager

from rpclab.config import Document, WorkerConfig, load_configs, read_config
from rpclab.configured import read_source
from rpclab.declared import Declared, bound_by
from rpclab.errors import ConfigError
from rpclab.notebook.lines import parse_worker, parse_wrangler
from rpclab.notebook.options import usage
from rpclab.placement.declared import placement_of
from rpclab.workers.declarations import binding_target

MOST_BYTES = 100 * 2**20

_MAGIC = re.compile(r"\s*%%(\w+)[ \t]*([^\n]*)(?:\n|$)")
_ASKS_PYTHON = frozenset({"deploy", "migrate", "from_config", "Sandbox"})
_LITERAL = frozenset({"vars", "json", "bind", "objects", "kv", "d1", "placement"})


@dataclass
class Book:
    """What a notebook declares.

    Attributes:
        workers: the Workers, in the order of their first cells.
        unknown: what is known only when the cells run, with the place of each.
    """

    workers: dict[str, Declared] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def read_book(path: Path) -> Book:
    """Read the Workers of a notebook; its cells are not run.

    Args:
        path: of the .ipynb file.

    Raises:
        ConfigError: it is no notebook; or a cell says something that its magic refuses.
        OSError: it cannot be read.
    """
    book = Book()
    for number, text in _cells(path):
        try:
            _Cell(book, path, number, text).read()
        except UsageError as error:
            raise ConfigError(f"cell {number}: {error}", filename=str(path)) from None
        except ConfigError as error:
            error.add_note(f"in cell {number} of {path.name}")
            raise
    return book


def _cells(path: Path) -> Iterator[tuple[int, str]]:
    """The code cells, with their numbers among all cells, from 1."""
    if path.stat().st_size > MOST_BYTES:
        raise ConfigError(f"is larger than {MOST_BYTES} bytes", filename=str(path))
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        found = [
            (number, "".join(cell["source"]))
            for number, cell in enumerate(cells, 1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError("is no notebook of Jupyter's format 4", filename=str(path)) from None
    yield from found


class _Cell:
    def __init__(self, book: Book, path: Path, number: int, text: str) -> None:
        self._book = book
        self._path = path
        self._number = number
        self._text = text

    def read(self) -> None:
        rest = self._text
        magics: list[tuple[str, str]] = []
        while found := _MAGIC.match(rest):
            magics.append((found[1], found[2]))
            rest = rest[found.end() :]
        for name, line in magics:
            if name == "worker":
                self._worker(line, rest)
                return
            if name == "wrangler":
                self._wrangler(line, rest)
                return
            if name not in ("capture", "prun", "time", "timeit", "trace"):
                return  # it is no Python
        self._python(rest)

    def _worker(self, line: str, body: str) -> None:
        said = parse_worker(line)
        try:
            placement = placement_of(said.on)
        except ValueError as error:
            raise usage(error) from None
        self._add(self._declared(said.name, body, placement=placement, **said.variables()))

    def _wrangler(self, line: str, body: str) -> None:
        environment, _ = parse_wrangler(line, "%%wrangler")
        config = read_config(
            Document("\n" + body, "%%wrangler"), folder=self._path.parent, environment=environment
        )
        code = self._book.workers.get(config.main)
        if code is not None and not config.main.endswith(".py"):
            self._add(_configured(config, code.source, code.filename))
        else:
            self._add(_configured(config, read_source(config), str(config.main_file)))

    def _python(self, text: str) -> None:
        for line in text.split("\n"):
            if line.startswith("%wrangler"):
                self._files(line.removeprefix("%wrangler"))
            elif line.split()[:2] == ["%rpclab", "reset"]:
                self._book.workers.clear()
        try:
            tree = ast.parse(TransformerManager().transform_cell(text))
        except SyntaxError:
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in _ASKS_PYTHON:
                self._call(node)

    def _files(self, line: str) -> None:
        environment, paths = parse_wrangler(line, "%wrangler")
        folder = self._path.parent
        for config in load_configs([folder / path for path in paths], environment=environment):
            self._add(_configured(config, read_source(config), str(config.main_file)))

    def _call(self, node: ast.Call) -> None:
        name = _name(node.func)
        try:
            if name == "deploy":
                self._deploy(node)
                return
        except (ValueError, TypeError, SyntaxError):
            pass
        self._book.unknown.append(
            f"cell {self._number}, line {node.lineno}: {ast.unparse(node.func)}(…) is Python, which"
            " was not run"
        )

    def _deploy(self, node: ast.Call) -> None:
        """A deployment whose arguments are written out."""
        known = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg}
        name = ast.literal_eval(node.args[0]) if node.args else known.pop("name")
        source = known.pop("source")
        known.pop("at", None)
        if not isinstance(name, str) or not isinstance(source, str) or known.keys() - _LITERAL:
            raise ValueError(name)
        bind = {each: binding_target(to) for each, to in known.pop("bind", {}).items()}
        placement = placement_of(known.pop("placement", None))
        self._add(self._declared(name, source, bind=bind, placement=placement, **known))

    def _declared(
        self, name: str, source: str, *, objects: Mapping[str, str] | None = None, **more: Any
    ) -> Declared:
        """A Worker whose code stands in this cell."""
        classes = {
            each: to if "#" in to else f"{name}#{to}" for each, to in (objects or {}).items()
        }
        filename = f"{self._path.name}, cell {self._number}"
        return Declared(name=name, source=source, filename=filename, objects=classes, **more)

    def _add(self, worker: Declared) -> None:
        self._book.workers[worker.name] = worker


def _configured(config: WorkerConfig, source: str, filename: str) -> Declared:
    file = Path(filename)
    return Declared(
        name=config.name, source=source, filename=filename, config=config,
        placement=placement_of(config.placement or None),
        folder=config.main_file.parent if file.is_file() else None,
        **vars(bound_by(config)),
    )  # fmt: skip


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
