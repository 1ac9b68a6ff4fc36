"""A project into a folder: all of it or nothing, and nobody's file is lost.

Floor: export. It is laid out in a folder beside, read back as `rpclab serve` would, and only then
moved into its place, file by file; where one cannot be moved, those before it go back.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rpclab.config import load_configs
from rpclab.config.loading import NAMES
from rpclab.configured import read_source
from rpclab.declared import Declared
from rpclab.errors import ConfigError
from rpclab.export.project import CONFIG, Project, files_of, project_of
from rpclab.export.report import CLOUDFLARE, Exported, cloudflare_text
from rpclab.previews import counted
from rpclab.typegen.of_workers import types_of_configs

_MOST_NAMED = 12


def export(
    workers: Iterable[Declared],
    folder: str | os.PathLike[str],
    *,
    force: bool = False,
    here: Path | None = None,
) -> Exported:
    """Write Workers as a project that `rpclab serve` runs.

    Secrets are not written; what was written says which ones are needed.

    Args:
        workers: which; `rpclab.declared.declared(sandbox)` gives those of a sandbox.
        folder: where; made if it is not there.
        force: take the place of files that say something else.
        here: the folder where modules stand that cells import; the current one if None.

    Raises:
        ConfigError: a Worker cannot be written down; or a file of another content is in the way.
            Nothing was written.
        OSError: a file cannot be read or written. Those that were there are as they were.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise ConfigError("is a file, and a project is a folder", filename=str(target))
    project = project_of(workers, target.resolve(), here)
    # On the same disk, so that files can be moved; and in no folder that is not there yet.
    around = next(each for each in (target, *target.resolve().parents) if each.is_dir())
    with tempfile.TemporaryDirectory(prefix=".rpclab-export-", dir=around) as name:
        laid = Path(name) / "new"
        _lay(project, laid)
        _complete(project, laid)
        changed = _in_the_way(project, target)
        if changed and not force:
            raise _refusal(target, changed)
        written = _move(project, laid, target, Path(name) / "old")
    return Exported(target, project, tuple(written), tuple(changed), _left(project, target))


def _lay(project: Project, folder: Path) -> None:
    for path, data in files_of(project).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _complete(project: Project, laid: Path) -> None:
    """Read it as those will who run it, and add what follows from that.

    Raises:
        ConfigError: it says something that rpclab cannot run.
    """
    for config in load_configs([laid]):
        read_source(config)
    for path, (text, _) in types_of_configs([laid]).items():
        name = (path.parent / "workers.pyi").relative_to(laid).as_posix()
        project.add(name, text)
    project.add(CLOUDFLARE, cloudflare_text(project))
    _lay(project, laid)


def _in_the_way(project: Project, target: Path) -> list[str]:
    """The files that are there and say something else.

    Raises:
        ConfigError: something is there whose place no file can take.
    """
    changed = []
    for path, data in files_of(project).items():
        file = target / path
        for parent in [*file.relative_to(target).parents][:-1]:
            above = target / parent
            if above.is_symlink() or (above.exists() and not above.is_dir()):
                raise ConfigError("is no folder of its own", filename=str(above))
        if file.is_dir():
            raise ConfigError("is a folder, and a file is to be there", filename=str(file))
        if file.is_symlink() or (file.exists() and file.read_bytes() != data):
            changed.append(path)
        if file.name == CONFIG:
            others = [name for name in NAMES if name != CONFIG and (file.parent / name).exists()]
            if others:
                raise ConfigError(
                    f"stands where {CONFIG} is to be written, and one Worker has one configuration:"
                    " take it away, or choose another folder",
                    filename=str(file.parent / others[0]),
                )
    return changed


def _refusal(target: Path, changed: list[str]) -> ConfigError:
    more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
    count = counted(len(changed), "file")
    error = ConfigError(
        f"{count} there would be replaced: {', '.join(changed[:_MOST_NAMED])}{more}",
        filename=str(target),
    )
    error.add_note("--force replaces them; nothing was written")
    return error


def _move(project: Project, laid: Path, target: Path, kept: Path) -> list[str]:
    """Move files into their place; where one cannot be, all is as it was before.

    Returns:
        The paths of those that are new, or have changed.
    """
    done: list[tuple[Path, Path | None]] = []
    made: list[Path] = []
    written = []
    try:
        for path, data in files_of(project).items():
            file = target / path
            if file.exists() and not file.is_symlink() and file.read_bytes() == data:
                continue
            made += _folders(file.parent)
            before = None
            if file.exists() or file.is_symlink():
                before = kept / path
                before.parent.mkdir(parents=True, exist_ok=True)
            done.append((file, before))
            if before is not None:
                file.replace(before)
            (laid / path).replace(file)
            written.append(path)
    except BaseException:
        for file, before in reversed(done):
            if before is None:
                file.unlink(missing_ok=True)
            elif before.exists() or before.is_symlink():
                before.replace(file)
        for folder in reversed(made):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return written


def _folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; gives those that were not there."""
    missing: list[Path] = []
    while not folder.exists():
        missing.insert(0, folder)
        folder = folder.parent
    for each in missing:
        each.mkdir()
    return missing


def _left(project: Project, target: Path) -> tuple[str, ...]:
    """Configurations in the folder that are none of this project: they are served, too."""
    found = []
    for name in NAMES:
        for file in sorted(target.glob(f"*/{name}")):
            path = file.relative_to(target).as_posix()
            if path not in project.files:
                found.append(path)
    return tuple(found)
