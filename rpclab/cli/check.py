"""`rpclab check`: whether Workers fit together, found by reading alone.

Floor: cli.
"""

from __future__ import annotations

from pathlib import Path

import click

from rpclab.cli.base import DONE, FAILED, Command, complain, environment_option, told
from rpclab.cli.console import show_rows
from rpclab.cli.worker_paths import told_apart
from rpclab.config import Document, WorkerConfig, read_config
from rpclab.config.from_document import has_environment
from rpclab.errors import ConfigError, near
from rpclab.typegen.of_workers import source_of, source_of_file
from rpclab.typegen.sources import Source


@click.command(
    "check",
    cls=Command,
    short_help="look for mistakes in configurations and in what they lead to",
    examples="""
rpclab check services/               # every configuration below the folder
rpclab check services/ -e staging    # as they are in that environment
rpclab check counter.py              # what a caller can reach in it
rpclab check --strict services/      # what has no effect here counts as a mistake
""",
)
@click.argument("path", nargs=-1, required=True)
@environment_option
@click.option("--strict", is_flag=True, help="Warnings count as mistakes.")
def check(path: tuple[str, ...], environment: str | None, strict: bool) -> int:
    """Look for mistakes in configurations, and in the code they lead to, without running any.

    Each PATH is a configuration, a folder of them, or a .py file. Listed is what callers can reach:
    entrypoints, classes of Durable Objects ("object"), and their methods.

    Looked for are wrong keys and values, code that is no Python, and bindings to an entrypoint or a
    class that its Worker does not have. The status is 1 where there is a mistake.
    """
    looked = _Looked()
    codes, configs = told_apart(path)
    for file in codes:
        looked.at_code(file)
    looked.at_configs(configs, environment)
    looked.at_bindings()
    show_rows(looked.rows or [["nothing to reach"]])
    for text in looked.warnings:
        click.secho(f"warning: {text}", err=True, fg="yellow")
    for text in looked.mistakes:
        complain(text)
    return FAILED if looked.mistakes or (strict and looked.warnings) else DONE


class _Looked:
    """What was found so far."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.mistakes: list[str] = []
        self.warnings: list[str] = []
        self._configs: dict[str, WorkerConfig] = {}
        self._sources: dict[str, Source] = {}

    def at_code(self, file: Path) -> None:
        try:
            self._list(str(file), source_of_file(file))
        except ConfigError as error:
            self.mistakes.append(told(error))

    def at_configs(self, files: list[Path], environment: str | None) -> None:
        documents = {}
        for file in files:
            try:
                documents[file] = Document.from_file(file)
            except ConfigError as error:
                self.mistakes.append(told(error))
        elsewhere = any(has_environment(each, environment) for each in documents.values())
        for file, document in documents.items():
            try:
                config = read_config(
                    document, folder=file.parent, environment=environment, may_lack_it=elsewhere
                )
                self._at_config(file, config, source_of(config))
            except ConfigError as error:
                self.mistakes.append(told(error))

    def _at_config(self, file: Path, config: WorkerConfig, source: Source) -> None:
        if config.name in self._configs:
            other = self._configs[config.name].filename
            self.mistakes.append(f'{file}: the name "{config.name}" is taken by {other}')
            return
        self._configs[config.name] = config
        self._sources[config.name] = source
        self._list(config.name, source)
        if config.warning():
            self.warnings.append(config.warning())

    def _list(self, worker: str, source: Source) -> None:
        for name, kind in source.entrypoints().items():
            members = [member.name for member in source.members(name)]
            http = ["fetch (HTTP)"] if source.serves_http(name) else []
            what = "object" if kind == "object" else ""
            self.rows.append([f"{worker}#{name}", what, ", ".join(http + members)])

    def at_bindings(self) -> None:
        """Look where the bindings lead; a Worker that was not given is no mistake."""
        for config in self._configs.values():
            for line, _, worker, name, kind in config.leads:
                source = self._sources.get(worker)
                known = source.entrypoints() if source is not None else {}
                if source is None or known.get(name) == kind:
                    continue
                what = "entrypoint" if kind == "entrypoint" else "class of Durable Objects"
                hint = near(name, [each for each, its in known.items() if its == kind])
                text = f'{config.filename}:{line}: the Worker "{worker}" has no {what} "{name}"'
                self.mistakes.append(f"{text}\n{hint}" if hint else text)
