"""What was exported, and what to know of it: as text, and as the project's CLOUDFLARE.md.

Floor: export.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rpclab.export.cloudflare_changes import Finding
from rpclab.export.project import Project
from rpclab.previews import counted
from rpclab.printable import printable

CLOUDFLARE = "CLOUDFLARE.md"
_SDK = "1.9"
_HEAD = f"""\
# What Cloudflare's Python Workers would need changed

`rpclab serve .` runs this project as it is. On Cloudflare (`uv run pywrangler dev` in the folder of
a Worker) the code meets another SDK. What follows goes by workers-runtime-sdk {_SDK}: the code was
looked at, and none of it was run. There a call of another Worker gives a coroutine: it is awaited
before its result is used, where rpclab lets you call on it at once.""".split("\n")
_MOST = 40  # findings that the text of an export lists


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: where.
        project: what, with the notes on it.
        written: the files that are new or have changed.
        replaced: those of them that said something else before.
        others: configurations that stand in the folder and belong to other Workers.
    """

    folder: Path
    project: Project
    written: tuple[str, ...]
    replaced: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def findings(self) -> list[Finding]:
        """What Cloudflare's Python Workers would need changed."""
        return self.project.cloudflare

    @property
    def secrets(self) -> dict[str, tuple[str, ...]]:
        """By the name of a Worker, what it needs and what was not written."""
        return self.project.secrets

    @property
    def command(self) -> str:
        """How it is served."""
        return f"rpclab serve {shlex.quote(str(self.folder))}"

    def text(self) -> str:
        """All there is to say, with the lines of the files."""
        project = self.project
        count = counted(len(self.written), "file")
        files = f"wrote {count}" if self.written else "all files are as they were"
        lines = [f"{files} in {self.folder}: {_workers(project)}", f"  serve it: {self.command}"]
        if len(project.serving) > 1:
            first, *rest = [project.folders[name] for name in project.serving]
            lines.append(f"  HTTP goes to {first}; --worker chooses {_or(rest)}")
        lines += [f"  replaced: {path}" for path in self.replaced]
        lines += [
            f"  from before, and served as well: {path}" for path in self.others
        ]  # fmt: skip
        for name, needed in project.secrets.items():
            lines.append(
                f"  not written, for they are secret: {', '.join(needed)};"
                f" put a line NAME=value for each into {project.folders[name]}/.dev.vars"
            )
        lines += [f"  {_place(note)}: {note.text}" for note in project.notes]
        lines += ["", *_for_cloudflare(project, _MOST)]
        return "\n".join(printable(line) for line in lines)

    def __repr__(self) -> str:
        return self.text()


def _workers(project: Project) -> str:
    names = sorted(project.folders.values())
    return f"{counted(len(names), 'Worker')} ({', '.join(names)})"


def _or(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _place(note: Finding) -> str:
    return f"{note.file}, line {note.line}" if note.line else note.file


def _line(note: Finding) -> str:
    return f"line {note.line}: " if note.line else ""


def _for_cloudflare(project: Project, most: int) -> Iterable[str]:
    found = project.cloudflare
    if not found:
        return ["Cloudflare's Python Workers: nothing is known that the code would need changed"]
    lines = [f"Cloudflare's Python Workers would need changed ({CLOUDFLARE} says so, too):"]
    shown = found[:most]
    for file, group in groupby(shown, key=lambda each: each.file):
        lines.append(f"  {file}")
        lines += [f"    {_line(each)}{each.text}" for each in group]
    if len(found) > most:
        lines.append(f"  and {len(found) - most} more")
    return lines


def cloudflare_text(project: Project) -> str:
    """The text of CLOUDFLARE.md."""
    lines = [*_HEAD, ""]
    for file, group in groupby(project.cloudflare, key=lambda each: each.file):
        lines += [f"## {file}", "", *(f"- {_line(each)}{each.text}" for each in group), ""]
    if not project.cloudflare:
        lines += ["Nothing was found in the code.", ""]
    lines += ["## Before it is deployed", "", *(f"- {line}" for line in _deploying(project)), ""]
    return "\n".join(printable(line) for line in lines)


def _deploying(project: Project) -> list[str]:
    lines = []
    for name, needed in project.secrets.items():
        folder = project.folders[name]
        commands = ", ".join(f"`wrangler secret put {each}`" for each in needed)
        lines.append(f"{folder}: secrets are not written here; there {commands}, in `{folder}/`")
    texts = {path: data for path, data in project.files.items() if path.endswith("/wrangler.jsonc")}
    if any(b'"d1_databases"' in data for data in texts.values()):
        lines.append(
            "databases: `wrangler d1 create NAME` gives the `database_id`; `wrangler d1 migrations"
            " apply NAME` makes the tables"
        )
    if any(b'"kv_namespaces"' in data for data in texts.values()):
        lines.append("KV: `wrangler kv namespace create NAME` gives the `id`")
    lines.append("a Worker that others are bound to is deployed before them")
    return lines
