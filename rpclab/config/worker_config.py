"""What a configuration says of one Worker, understood.

Floor: config. Plain data: nothing is deployed, opened or imported by making it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rpclab.config.document import Document


@dataclass(frozen=True)
class Service:
    """A service binding: a variable that leads to an entrypoint of a Worker."""

    binding: str
    service: str
    entrypoint: str = "Default"
    props: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0

    @property
    def target(self) -> str:
        """As the sandbox names it: "worker#Entrypoint"."""
        return f"{self.service}#{self.entrypoint}"


@dataclass(frozen=True)
class Database:
    """A D1 database that is bound to a variable.

    Attributes:
        migrations_dir: the folder of its migrations; None where the file names none and there is
            no folder `migrations` beside it.
    """

    binding: str
    database_name: str = ""
    database_id: str = ""
    migrations_dir: Path | None = None
    migrations_table: str = "d1_migrations"
    line: int = 0

    @property
    def key(self) -> str:
        """What makes it the same database in several files: its id, else its name."""
        return self.database_id or self.database_name or self.binding


@dataclass(frozen=True)
class KeyValueNamespace:
    """A KV namespace that is bound to a variable.

    Attributes:
        id: what makes it the same namespace in several files.
    """

    binding: str
    id: str
    line: int = 0


@dataclass(frozen=True)
class ObjectNamespace:
    """A namespace of Durable Objects that is bound to a variable."""

    binding: str
    class_name: str
    script_name: str = ""
    line: int = 0

    @property
    def target(self) -> str:
        """As the sandbox names it: "Class" or "worker#Class"."""
        return f"{self.script_name}#{self.class_name}" if self.script_name else self.class_name


@dataclass(frozen=True)
class Migration:
    """A step in the history of a Worker's Durable Object classes."""

    tag: str
    new_classes: tuple[str, ...] = ()
    deleted_classes: tuple[str, ...] = ()
    renamed_classes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Note:
    """Something that a configuration says and that has no effect here, or less than it seems.

    Attributes:
        line: where it stands.
        text: what to know, and to do.
        warns: whether it is worth a warning.
    """

    line: int
    text: str
    warns: bool = True


class Lead(NamedTuple):
    """A binding that leads to a class of a Worker.

    Attributes:
        line: where the configuration says it.
        variable: what it is in `env`.
        worker: the Worker that it leads to.
        class_name: the entrypoint, or the class of Durable Objects.
        kind: "entrypoint" or "object".
    """

    line: int
    variable: str
    worker: str
    class_name: str
    kind: str


def missing_secret(name: str) -> str:
    """The text of the note on a secret that is needed, and given nowhere."""
    return f"the secret {name} stands in no .dev.vars or .env"


@dataclass(frozen=True)
class WorkerConfig:
    """What a configuration says of one Worker, in one environment.

    Attributes:
        name: the name of the Worker, with the environment's at its end.
        main: what its code is: a `.py` file, from the folder of the configuration, or (in a
            notebook) a `%%worker` cell.
        filename: the configuration, as errors call it.
        folder: the folder that paths are relative to.
        environment: which one was chosen; "" for the top of the file.
        environments: the names of all there are.
        vars: its variables; a text, or any JSON value.
        secrets: what `.dev.vars` or `.env` beside the file gives; they hide `vars` of that name.
        required_secrets: the names of those that it says it needs.
        placement: where it runs, as `placement.declared.placement_of` reads it; "" where nothing is
            said.
        notes: what has no effect here.
        document: what was read; None for one that was made in another way.
    """

    name: str
    main: str
    filename: str
    folder: Path
    environment: str = ""
    environments: tuple[str, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    required_secrets: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    d1_databases: tuple[Database, ...] = ()
    kv_namespaces: tuple[KeyValueNamespace, ...] = ()
    durable_objects: tuple[ObjectNamespace, ...] = ()
    migrations: tuple[Migration, ...] = ()
    placement: str = ""
    compatibility_date: str = ""
    compatibility_flags: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    document: Document | None = field(default=None, repr=False, compare=False)

    @property
    def main_file(self) -> Path:
        """The file of its code."""
        path = self.folder / self.main
        try:
            return path.resolve()
        except (OSError, RuntimeError):  # links that lead in a circle, as whoever reads it will say
            return path

    @property
    def texts(self) -> dict[str, str]:
        """Its variables that are texts, secrets among them."""
        plain = {name: value for name, value in self.vars.items() if isinstance(value, str)}
        return {**plain, **self.secrets}

    @property
    def values(self) -> dict[str, Any]:
        """Its other variables."""
        return {
            name: value
            for name, value in self.vars.items()
            if not isinstance(value, str) and name not in self.secrets
        }

    @property
    def leads(self) -> list[Lead]:
        """Its service bindings, and its namespaces of Durable Objects."""
        services = [
            Lead(each.line, each.binding, each.service, each.entrypoint, "entrypoint")
            for each in self.services
        ]
        objects = [
            Lead(each.line, each.binding, each.script_name or self.name, each.class_name, "object")
            for each in self.durable_objects
        ]
        return services + objects

    def warning(self) -> str:
        """The text of a warning about what has no effect; "" if there is nothing to warn of."""
        lines = [f"  line {note.line}: {note.text}" for note in self.notes if note.warns]
        return "\n".join([f"{self.filename}:", *lines]) if lines else ""
