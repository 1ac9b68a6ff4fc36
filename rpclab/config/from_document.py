"""From a document to what it says of one Worker: keys checked, an environment chosen.

Floor: config. The rules are Wrangler's: a named environment takes over the name, the code and the
compatibility of the top of the file, but no variables and no bindings.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rpclab.config.dev_vars import read_secrets
from rpclab.config.document import Document, dotted
from rpclab.config.file_text import is_folder
from rpclab.config.keys import (
    AT_TOP,
    BINDINGS_NOT_INHERITED,
    IN_ENVIRONMENT,
    NOT_INHERITED,
    REFUSED,
    STAND_IN,
    WITHOUT_EFFECT,
)
from rpclab.config.table import Table
from rpclab.config.worker_config import (
    Database,
    KeyValueNamespace,
    Migration,
    Note,
    ObjectNamespace,
    Service,
    WorkerConfig,
    missing_secret,
)
from rpclab.errors import near

BEHAVIOUR = "2026-06-01"
"""The compatibility date whose behaviour rpclab has, whatever a file says."""

_PLACEMENT = re.compile(
    r"kernel|process(:[1-9]\d{0,3})?|dask(:([1-9]\d{0,2}|(tcp|tls|ws|wss|ucx)://[^\s/]+:\d{1,5}))?"
)
_OBJECT_KEYS = ("name", "class_name", "script_name", "environment")
_SERVICE_KEYS = ("binding", "service", "entrypoint", "props", "environment", "remote")
_DATABASE_KEYS = (
    "binding", "database_name", "database_id", "preview_database_id", "migrations_dir",
    "migrations_table", "migrations_pattern", "database_internal_env", "jurisdiction", "remote",
)  # fmt: skip
_NAMESPACE_KEYS = ("binding", "id", "preview_id", "remote", "experimental_remote")
_MIGRATION_KEYS = (
    "tag", "new_classes", "new_sqlite_classes", "renamed_classes", "deleted_classes",
    "transferred_classes",
)  # fmt: skip
_CLASS_STAYS = (
    "changes no storage here: what objects keep stands in <storage>/objects, under their class"
)
_REMOTE = "`remote` has no effect: it leads to what is in this sandbox"


def read_config(
    document: Document,
    *,
    folder: Path,
    environment: str | None = None,
    may_lack_it: bool = False,
) -> WorkerConfig:
    """Understand a document.

    Args:
        document: what was read.
        folder: what its paths are relative to, and where `.dev.vars` stands.
        environment: which named environment; the top of the file if None.
        may_lack_it: take the top, and note it, where there is no such environment.

    Raises:
        ConfigError: a key is unknown, wrong, or asks for something that rpclab does not have; or
            there is no such environment.
    """
    return _Reader(document, folder, environment or "", may_lack_it=may_lack_it).read()


def has_environment(document: Document, environment: str | None) -> bool:
    """Whether a document says anything of a named environment."""
    environments = document.data.get("env")
    return isinstance(environments, dict) and environment in environments


class _Reader:
    """Reads one environment of one document."""

    def __init__(
        self, document: Document, folder: Path, environment: str, *, may_lack_it: bool
    ) -> None:
        self._document = document
        self._folder = folder
        self._environment = environment
        self._notes: list[Note] = []
        self._top = Table(document, (), document.data)
        self._top.allow(AT_TOP)
        environments = self._top.table("env")
        self._environments = {name: environments.table(name) for name in environments.data}
        for table in self._environments.values():
            table.allow(IN_ENVIRONMENT)
        self._own = self._choose(environments, may_lack_it) if environment else self._top

    def _choose(self, environments: Table, may_lack_it: bool) -> Table:  # noqa: FBT001 - private
        chosen = self._environments.get(self._environment)
        if chosen is None and may_lack_it:
            text = (
                f"there is no environment {self._environment!r} here: the top of the file is used"
            )
            self._notes.append(Note(self._document.line(environments.path), text))
            return self._top
        if chosen is None:
            environments.document.fail(
                environments.path,
                f"there is no environment {self._environment!r}",
                near(self._environment, self._environments) or "the file has no [env.…] at all",
            )
        return chosen

    def read(self) -> WorkerConfig:
        self._name_what_is_not_supported()
        self._name_what_is_not_inherited()
        config = WorkerConfig(
            name=self._name(),
            main=self._main(),
            filename=self._document.name,
            folder=self._folder,
            environment="" if self._own is self._top else self._environment,
            environments=tuple(self._environments),
            vars=self._vars(),
            secrets=self._secrets(),
            required_secrets=self._own.table("secrets").texts("required"),
            services=tuple(map(self._service, self._own.tables("services"))),
            d1_databases=tuple(map(self._database, self._own.tables("d1_databases"))),
            kv_namespaces=tuple(map(self._namespace, self._own.tables("kv_namespaces"))),
            durable_objects=self._objects(),
            migrations=tuple(map(self._migration, self._holder("migrations").tables("migrations"))),
            placement=self._placement(),
            compatibility_date=self._compatibility_date(),
            compatibility_flags=self._compatibility_flags(),
            notes=tuple(sorted(self._notes, key=lambda note: note.line)),
            document=self._document,
        )
        self._refuse_twice()
        return config

    # What is here and what is not.

    def _holder(self, key: str) -> Table:
        """Give the table that says an inherited key: the environment's, or the top."""
        return self._own if key in self._own else self._top

    def _name(self) -> str:
        table = self._holder("name")
        name = table.needed("name")
        if not re.fullmatch(r"[\w-]+", name, re.ASCII):
            table.fail("name", f"the name of a Worker has letters, digits, - and _, not {name!r}")
        return name if table is self._own else f"{name}-{self._environment}"

    def _main(self) -> str:
        table = self._holder("main")
        main = table.needed("main")
        if "\0" in main:
            table.fail("main", "main holds a NUL, so it names no file")
        return main

    def _name_what_is_not_supported(self) -> None:
        for key in self._own.data:
            if key in REFUSED and self._own.data[key]:
                advice = REFUSED[key] or STAND_IN
                self._own.fail(key, f"rpclab has no {key}, and the Worker's code needs it", advice)
        tables = [self._top] if self._own is self._top else [self._top, self._own]
        for table in tables:
            for key in table.data:
                if key in WITHOUT_EFFECT:
                    self._note(table, key, f"{key} {WITHOUT_EFFECT[key]}")
        assets = self._holder("assets").data.get("assets")
        if isinstance(assets, dict) and "binding" in assets:
            self._holder("assets").table("assets").fail(
                "binding", "rpclab has no assets, and the Worker's code needs them", STAND_IN
            )

    def _name_what_is_not_inherited(self) -> None:
        if self._own is self._top:
            return
        where = f"env.{self._environment}"
        for key in sorted(BINDINGS_NOT_INHERITED & self._top.data.keys()):
            if key not in self._own:
                text = f"{key} is not inherited: say it in {where}, too, or {where} has none"
                self._note(self._top, key, text)
        ours = self._own.table("vars").data
        if "vars" in self._own:
            top = self._top.table("vars")
            for name in top.data.keys() - ours.keys():
                self._note(top, name, f"vars.{name} is not inherited, and {where}.vars has none")

    def _note(self, table: Table, key: str, text: str, *, warns: bool = True) -> None:
        self._notes.append(Note(table.line(key), text, warns))

    # The keys.

    def _compatibility_date(self) -> str:
        table = self._holder("compatibility_date")
        if "compatibility_date" not in table:
            return ""
        date = table.data["compatibility_date"]
        if isinstance(date, dt.date):
            table.fail("compatibility_date", "compatibility_date is a text: quote it")
        date = table.text("compatibility_date")
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):
            table.fail("compatibility_date", f"compatibility_date is yyyy-mm-dd, not {date!r}")
        if date != BEHAVIOUR:
            text = f"compatibility_date is read; the behaviour here is that of {BEHAVIOUR}"
            self._note(table, "compatibility_date", text, warns=False)
        return date

    def _placement(self) -> str:
        table = self._holder("rpclab").table("rpclab")
        table.allow(["placement"])
        placement = table.text("placement")
        if placement and not _PLACEMENT.fullmatch(placement):
            there_are = '"kernel", "process", "process:4" for four of them, "dask", "dask:3"'
            table.fail("placement", f"{placement!r} is no placement; there are: {there_are}")
        return placement

    def _compatibility_flags(self) -> tuple[str, ...]:
        table = self._holder("compatibility_flags")
        flags = table.texts("compatibility_flags")
        idle = [flag for flag in flags if not flag.startswith("python_")]
        if idle:
            text = f"compatibility_flags are read; {', '.join(idle)} changes nothing here"
            self._note(table, "compatibility_flags", text, warns=False)
        return flags

    def _vars(self) -> dict[str, Any]:
        table = self._own.table("vars")
        for name, value in table.data.items():
            try:
                json.dumps(value)
            except TypeError:
                table.fail(name, f"vars.{name} is no JSON value: write it as a text")
        return dict(table.data)

    def _secrets(self) -> dict[str, str]:
        table = self._own.table("secrets")
        table.allow(["required"])
        secrets = read_secrets(self._folder, self._environment)
        required, known = table.texts("required"), self._own.table("vars")
        if "secrets" in self._own:
            # What is said here is all there is; other names in the file are other programs'.
            secrets = {name: secrets[name] for name in secrets if name in required or name in known}
        for bound, key in self._bindings():
            name = bound.data.get(key)  # whether it is a name at all, is looked at with the binding
            if isinstance(name, str) and name in secrets:
                del secrets[name]
                text = f"env.{name} is this binding, and not the secret of that name"
                self._note(bound, key, text)
        for name in required:
            if name not in secrets and name not in known:
                self._note(table, "required", missing_secret(name))
        return secrets

    def _service(self, table: Table) -> Service:
        table.allow(_SERVICE_KEYS)
        service = table.needed("service")
        if "environment" in table:
            better = f"{service}-{table.text('environment')}"
            table.fail(
                "environment", "services have no environment any more", f'service = "{better}"'
            )
        if table.value("remote", bool):
            self._note(table, "remote", _REMOTE)
        entrypoint = table.text("entrypoint", "Default")
        return Service(
            binding=table.needed("binding"),
            service=service,
            entrypoint="Default" if entrypoint == "default" else entrypoint,
            props=table.table("props").data,
            line=self._document.line(table.path),
        )

    def _database(self, table: Table) -> Database:
        table.allow(_DATABASE_KEYS)
        if table.value("remote", bool):
            self._note(table, "remote", _REMOTE)
        if "migrations_pattern" in table:
            table.fail("migrations_pattern", "rpclab reads migrations_dir/*.sql, and no pattern")
        migrations = self._folder / table.text("migrations_dir", "migrations")
        if "migrations_dir" in table and not is_folder(migrations):
            table.fail("migrations_dir", f"there is no folder {migrations}")
        return Database(
            binding=table.needed("binding"),
            database_name=table.text("database_name"),
            database_id=table.text("database_id"),
            migrations_dir=migrations if is_folder(migrations) else None,
            migrations_table=table.text("migrations_table", "d1_migrations"),
            line=self._document.line(table.path),
        )

    def _namespace(self, table: Table) -> KeyValueNamespace:
        table.allow(_NAMESPACE_KEYS)
        for key in ("remote", "experimental_remote"):
            if table.value(key, bool):
                self._note(table, key, _REMOTE)
        variable = table.needed("binding")
        # Without an id Wrangler makes a namespace for this Worker, which it names like this.
        id_ = table.text("id") or f"{self._name()}-{variable}"
        return KeyValueNamespace(variable, id_, self._document.line(table.path))

    def _objects(self) -> tuple[ObjectNamespace, ...]:
        table = self._own.table("durable_objects")
        table.allow(["bindings"])
        return tuple(map(self._object, table.tables("bindings")))

    def _object(self, table: Table) -> ObjectNamespace:
        table.allow(_OBJECT_KEYS)
        if "environment" in table:
            better = f"{table.text('script_name')}-{table.text('environment')}"
            table.fail(
                "environment",
                "Durable Objects have no environment of their own any more",
                f'script_name = "{better}"',
            )
        return ObjectNamespace(
            binding=table.needed("name"),
            class_name=table.needed("class_name"),
            script_name=table.text("script_name"),
            line=self._document.line(table.path),
        )

    def _migration(self, table: Table) -> Migration:
        table.allow(_MIGRATION_KEYS)
        if "transferred_classes" in table:
            table.fail("transferred_classes", "rpclab does not move objects from Worker to Worker")
        for key in ("renamed_classes", "deleted_classes"):
            if key in table:
                self._note(table, key, f"{key} {_CLASS_STAYS}")
        renamed = table.tables("renamed_classes")
        for entry in renamed:
            entry.allow(["from", "to"])
        return Migration(
            tag=table.needed("tag"),
            new_classes=table.texts("new_classes") + table.texts("new_sqlite_classes"),
            deleted_classes=table.texts("deleted_classes"),
            renamed_classes=tuple((entry.needed("from"), entry.needed("to")) for entry in renamed),
        )

    def _refuse_twice(self) -> None:
        """Refuse a variable that two keys give."""
        given: dict[str, str] = dict.fromkeys(self._own.table("vars").data, "vars")
        for table, key in self._bindings():
            name = table.needed(key)
            if name in given:
                table.fail(key, f"env.{name} is given twice: here and in {given[name]}")
            given[name] = dotted(table.path)

    def _bindings(self) -> Iterator[tuple[Table, str]]:
        """Give the table of each binding, and the key that names its variable."""
        arrays = [
            (self._own.tables("services"), "binding"),
            (self._own.tables("d1_databases"), "binding"),
            (self._own.tables("kv_namespaces"), "binding"),
            (self._own.table("durable_objects").tables("bindings"), "name"),
        ]
        for tables, key in arrays:
            for table in tables:
                yield table, key


__all__ = ["BEHAVIOUR", "NOT_INHERITED", "read_config"]
