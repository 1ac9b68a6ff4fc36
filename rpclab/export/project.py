"""Workers as the files of a project: what stands in which folder, and what is to be said of it.

Floor: export. Nothing is written here but into memory.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpclab.config.from_document import BEHAVIOUR
from rpclab.config.loading import NAMES
from rpclab.declared import Bound, Declared
from rpclab.errors import ConfigError
from rpclab.export import packages
from rpclab.export.cloudflare_changes import Finding, findings
from rpclab.export.databases import Migrations, Shared
from rpclab.export.files_of_worker import Beside, modules_in
from rpclab.export.jsonc import jsonc
from rpclab.placement.declared import KERNEL, Processes, placement_of
from rpclab.typegen.sources import Source

if TYPE_CHECKING:
    from rpclab.config import Document, WorkerConfig
    from rpclab.workers.declarations import BindingTarget

CONFIG = "wrangler.jsonc"
MAIN = "main.py"
IGNORED = ".dev.vars*\n.env*\n.wrangler/\nnode_modules/\npython_modules/\n__pycache__/\n"
SCHEMA = "https://json.schemastore.org/wrangler.json"

_NO_NAME = re.compile(r"[^a-z0-9_-]+")
_SECRET = frozenset({
    "apikey", "credential", "credentials", "passphrase", "passwd", "password", "secret", "secrets",
    "token",
})  # fmt: skip
_KEY_OF = frozenset({"access", "api", "encryption", "private", "secret", "session", "signing"})


@dataclass
class Project:
    """What is to be written.

    Attributes:
        files: by their paths, with "/" between the parts.
        folders: by the name of a Worker, its folder.
        notes: what to know of a file of the project.
        cloudflare: what Cloudflare's Python Workers would need changed.
        secrets: by the name of a Worker, the secrets that it needs and that were not written.
        serving: the Workers that answer HTTP, in the order in which `rpclab serve` looks.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    notes: list[Finding] = field(default_factory=list)
    cloudflare: list[Finding] = field(default_factory=list)
    secrets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    serving: list[str] = field(default_factory=list)

    def add(self, path: str, text: str) -> None:
        """Add a file of text."""
        self.files[path] = text.encode()

    def note(self, path: str, text: str, line: int = 0) -> None:
        """Say something of a file."""
        self.notes.append(Finding(path, line, text))


def project_of(workers: Iterable[Declared], folder: Path, here: Path | None = None) -> Project:
    """Lay some Workers out as a project.

    Args:
        workers: which; nothing of them is run.
        folder: where it is going to stand, whose name it has; nothing there is taken along.
        here: the folder where modules stand that cells import; the current one if None.

    Raises:
        ConfigError: a Worker cannot be written down: its code is none of a module, or there is too
            much beside it.
        OSError: a file cannot be read.
    """
    everybody = _once(workers)
    if not everybody:
        raise ConfigError("no Worker is deployed, so there is nothing to export")
    return _Layout(everybody, here or Path.cwd(), folder).project(folder.name)


def _once(workers: Iterable[Declared]) -> list[Declared]:
    """Leave out a Worker whose configuration is written for another of its environments."""
    found: dict[object, Declared] = {}
    for worker in workers:
        config = worker.config
        key: object = worker.name
        if config is not None and config.document is not None and not _is_cell(config):
            key = (config.folder.resolve(), config.document.name)
        found.setdefault(key, worker)
    return list(found.values())


class _Layout:
    def __init__(self, workers: list[Declared], here: Path, target: Path) -> None:
        self._workers = workers
        self._here = here
        self._project = Project()
        self._names: dict[str, str] = {}
        self._databases = Shared(workers)
        self._needed: set[str] = set()
        self._apart = frozenset([target]) | frozenset(
            worker.config.folder.resolve()
            for worker in workers
            if worker.config is not None and not _is_cell(worker.config)
        )

    def project(self, name: str) -> Project:
        project = self._project
        for worker in self._workers:
            self._name(worker)
        for worker in self._workers:
            self._lay_out(worker)
        project.add(".gitignore", IGNORED)
        needed = sorted(self._needed, key=str.lower)
        project.add("pyproject.toml", packages.of_all(slug(name) or "workers", needed))
        for path, data in project.files.items():
            if path.endswith(".py"):
                bound = self._bound_of(path)
                project.cloudflare += findings(path, _text(data), bound)
        project.serving.sort(key=lambda each: project.folders[each])
        return project

    # Names.

    def _name(self, worker: Declared) -> None:
        """Give it a name that Wrangler takes, and a folder."""
        configured = worker.config is not None and worker.config.document is not None
        name = str(worker.config.document.data["name"]) if configured else worker.name  # type: ignore[union-attr]
        wanted = name if configured else slug(name) or "worker"
        folder = slug(wanted) or "worker"
        taken = {*self._project.folders.values()}
        number = 1
        while folder in taken:
            number += 1
            folder = f"{slug(wanted)}-{number}"
        self._names[worker.name] = wanted if configured else folder
        self._project.folders[worker.name] = folder
        if self._names[worker.name] != name:
            text = (
                f"the Worker {worker.name!r} is called {folder}: Wrangler takes a-z, 0-9, - and _"
            )
            self._project.note(f"{folder}/{CONFIG}", text)

    # One Worker.

    def _lay_out(self, worker: Declared) -> None:
        folder, project = self._project.folders[worker.name], self._project
        source = self._source(worker)
        files, main = self._files(worker, source)
        config = worker.config
        if config is not None and config.document is not None:
            text, more = self._copied(worker, config, config.document, main)
            named = [name for name in config.vars if is_secret(name)]
            secrets = tuple(dict.fromkeys([*config.required_secrets, *config.secrets, *named]))
        else:
            text, more, secrets = self._written(worker, source, main)
        files |= {**more, main: source.encode()}
        texts = [_text(data) for path, data in files.items() if path.endswith(".py")]
        own = {path.partition("/")[0].removesuffix(".py") for path in files}
        needed = packages.packages(texts, own)
        self._needed |= set(needed)
        files.setdefault("pyproject.toml", packages.of_worker(folder, needed).encode())
        for path, data in files.items():
            project.files[f"{folder}/{path}"] = data
        project.add(f"{folder}/{CONFIG}", text)
        if secrets:
            project.secrets[worker.name] = secrets
        if _serves(source, worker):
            project.serving.append(worker.name)

    def _source(self, worker: Declared) -> str:
        """The text of its main file.

        Raises:
            ConfigError: it is the code of a cell that no module can hold.
        """
        lines = worker.source.split("\n")
        while lines and not lines[0].strip():
            del lines[0]
        text = "\n".join(lines).rstrip() + "\n"
        try:
            compile(text, worker.name, "exec", dont_inherit=True)
        except SyntaxError as error:
            reason = error.msg
            if "await" in reason or "async" in reason:
                reason = "it awaits outside of a function, which a cell may and a module may not"
            raise ConfigError(
                f"the Worker {worker.name!r} is no module: {reason}", line=error.lineno or 0
            ) from None
        for number, line in enumerate(text.split("\n"), 1):
            if line.lstrip().startswith(("get_ipython().", "%", "!")):
                raise ConfigError(
                    f"the Worker {worker.name!r} has a line of IPython's, which no module can have:"
                    f" move {line.strip()[:60]!r} to another cell",
                    line=number,
                )
        return text

    def _files(self, worker: Declared, source: str) -> tuple[dict[str, bytes], str]:
        """What stands beside its code, and the path of that."""
        config, file = worker.config, Path(worker.filename)
        folder = worker.folder
        if config is not None and not _is_cell(config) and folder is not None:
            inside = config.main_file.is_relative_to(config.folder.resolve())
            folder = config.folder if inside else config.main_file.parent
        if folder is None:
            return modules_in(self._here, source), MAIN
        beside = Beside(folder, self._apart - {folder.resolve()})
        for name, reason in beside.left:
            self._project.note(
                f"{self._project.folders[worker.name]}/{CONFIG}",
                f"{name} stays behind: it {reason}",
            )
        if file.is_file() and file.resolve().is_relative_to(folder.resolve()):
            return beside.files, file.resolve().relative_to(folder.resolve()).as_posix()
        return beside.files, MAIN if MAIN not in beside.files else f"{worker.name}_main.py"

    # Configurations.

    def _copied(
        self, worker: Declared, config: WorkerConfig, document: Document, main: str
    ) -> tuple[str, dict[str, bytes]]:
        """The configuration that it was deployed from; as it is, where it may stay so."""
        data = copy.deepcopy(document.data)
        files: dict[str, bytes] = {}
        where = f"{self._project.folders[worker.name]}/{CONFIG}"
        if data["main"] != main and Path(data["main"]).as_posix() != main:
            data["main"] = main
        for table in [data, *data.get("env", {}).values()]:
            hidden = _hide(table)
            if hidden:
                said = f"{', '.join(hidden)}: a secret, by the name, so the value stays behind"
                self._project.note(where, said)
            for database in table.get("d1_databases", ()):
                _move_migrations(config, database, files)
        if worker.placement != placement_of(config.placement or None):
            now = worker.placement.declared if worker.placement is not None else KERNEL
            said = f"it runs in another place than its configuration says: placement = {now!r}"
            self._project.note(where, said)
        if "python_workers" not in data.get("compatibility_flags", ()):
            text = '"compatibility_flags": ["python_workers"], and a compatibility_date, are needed'
            self._project.cloudflare.append(Finding(where, 0, text))
        if not document.toml and data == document.data:
            return document.text.rstrip("\n") + "\n", files
        text = jsonc(data, document)
        what = (
            "was TOML, and has its comments above keys still" if document.toml else "has lost its"
        )
        changed = "" if document.toml else " comments, for a path in it is another one here"
        self._project.note(where, f"{what}{changed}")
        return text, files

    def _written(
        self, worker: Declared, source: str, main: str
    ) -> tuple[str, dict[str, bytes], tuple[str, ...]]:
        """A configuration of what was declared in a cell or a script."""
        folder = self._project.folders[worker.name]
        secrets = tuple(name for name in {**worker.vars, **worker.json}
                        if name in worker.secrets or is_secret(name))  # fmt: skip
        plain = {name: value for name, value in {**worker.vars, **worker.json}.items()
                 if name not in secrets}  # fmt: skip
        files: dict[str, bytes] = {}
        data: dict[str, Any] = {
            "$schema": SCHEMA,
            "name": self._names[worker.name],
            "main": main,
            "compatibility_date": BEHAVIOUR,
            "compatibility_flags": ["python_workers"],
        }
        if plain:
            data["vars"] = plain
        if secrets:
            data["secrets"] = {"required": list(secrets)}
        if worker.bind:
            data["services"] = [
                self._service(folder, variable, target) for variable, target in worker.bind.items()
            ]
        if worker.d1:
            data["d1_databases"] = [
                self._database(worker, variable, files) for variable in worker.d1
            ]
        if worker.kv:
            data["kv_namespaces"] = [
                {"binding": variable, "id": id_} for variable, id_ in worker.kv.items()
            ]
        data |= self._objects(worker, source)
        if worker.placement is not None:
            data["rpclab"] = {"placement": self._placement(folder, worker.placement)}
        return jsonc(data), files, secrets

    def _placement(self, folder: str, placed: Processes) -> str:
        plain = placement_of(placed.declared)
        unsaid = [each.name for each in fields(placed)
                  if getattr(placed, each.name) != getattr(plain, each.name)]  # fmt: skip
        if unsaid:
            said = f"{', '.join(unsaid)} of its processes: no configuration can say it"
            self._project.note(f"{folder}/{CONFIG}", said)
        return placed.declared

    def _service(self, folder: str, variable: str, target: BindingTarget) -> dict[str, Any]:
        if target.worker not in self._names:
            self._project.note(
                f"{folder}/{CONFIG}", f"env.{variable} leads to {target.worker}, which is not here"
            )
        if target.validate is not None:
            self._project.note(
                f"{folder}/{CONFIG}",
                f"env.{variable} checks arguments (validate), which no configuration can say",
            )
        service = {"binding": variable, "service": self._names.get(target.worker, target.worker)}
        if target.entrypoint != "Default":
            service["entrypoint"] = target.entrypoint
        return {**service, **({"props": dict(target.props)} if target.props else {})}

    def _database(self, worker: Declared, variable: str, files: dict[str, bytes]) -> dict[str, Any]:
        key, migrations = self._databases.of(worker, variable)
        declared = {"binding": variable, "database_name": key, "database_id": key}
        if migrations is None or not migrations.files:
            return declared
        where = "migrations" if len(worker.d1) == 1 else f"migrations/{slug(variable)}"
        files |= {f"{where}/{name}": data for name, data in migrations.files.items()}
        folder = self._project.folders[worker.name]
        if migrations.is_schema:
            self._project.note(
                f"{folder}/{where}/{migrations.SCHEMA}",
                f"the tables of env.{variable} as they are now, without their rows",
            )
        return {**declared, "migrations_dir": where}

    def _objects(self, worker: Declared, source: str) -> dict[str, Any]:
        """The namespaces that it is bound to, and the classes that it has."""
        data: dict[str, Any] = {}
        bindings = []
        for variable, target in worker.objects.items():
            owner, _, kind = target.partition("#")
            bound = {"name": variable, "class_name": kind}
            if owner != worker.name:
                bound["script_name"] = self._names.get(owner, owner)
            bindings.append(bound)
        if bindings:
            data["durable_objects"] = {"bindings": bindings}
        exports = Source(source, worker.folder or self._here, worker.name).entrypoints()
        classes = [name for name, kind in exports.items() if kind == "object"]
        if classes:
            data["migrations"] = [{"tag": "v1", "new_sqlite_classes": classes}]
        return data

    def _bound_of(self, path: str) -> Bound:
        folder = path.partition("/")[0]
        for worker in self._workers:
            if self._project.folders[worker.name] == folder:
                return worker
        return Bound()


def _hide(table: dict[str, Any]) -> list[str]:
    """Make required secrets of the variables of an environment whose names say that they are."""
    plain = table.get("vars", {})
    hidden = [name for name in plain if is_secret(name)]
    if hidden:
        table["vars"] = {name: value for name, value in plain.items() if name not in hidden}
        required = table.setdefault("secrets", {}).setdefault("required", [])
        required += [name for name in hidden if name not in required]
    return hidden


def _move_migrations(
    config: WorkerConfig, database: dict[str, Any], files: dict[str, bytes]
) -> None:
    """Let the migrations that stand elsewhere come along."""
    said = str(database.get("migrations_dir", "migrations"))
    folder = (config.folder / said).resolve()
    if not folder.is_dir():
        return
    inside = not _is_cell(config) and folder.is_relative_to(config.folder.resolve())
    if inside and not Path(said).is_absolute() and ".." not in Path(said).parts:
        return
    where = f"migrations/{slug(str(database.get('binding', 'db')))}"
    database["migrations_dir"] = where
    files |= {f"{where}/{name}": data for name, data in Migrations([folder]).files.items()}


def slug(name: str) -> str:
    """A name as Wrangler takes it."""
    return _NO_NAME.sub("-", name.lower()).strip("-")


def is_secret(name: str) -> bool:
    """Whether the name of a variable says that its value is nobody's business."""
    words = [word for word in re.split(r"[^a-z0-9]+", _spaced(name)) if word]
    if "public" in words:
        return False
    keys = any(word == "key" and before in _KEY_OF for before, word in pairwise(words))
    return keys or not _SECRET.isdisjoint(words)


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _serves(source: str, worker: Declared) -> bool:
    return Source(source, worker.folder, worker.name).serves_http("Default")


def _is_cell(config: WorkerConfig) -> bool:
    """Whether a configuration stands in a notebook, and not in a file."""
    return Path(config.filename).name not in NAMES


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def files_of(project: Project) -> Mapping[str, bytes]:
    """The files, in the order of their paths."""
    return dict(sorted(project.files.items()))
