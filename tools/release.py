"""Build a release, and try it as somebody would who has nothing of ours: `make release-check`.

What is built lies in dist/ afterwards. The steps end at the first that fails, with what is wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path

from packaging.metadata import Metadata
from readme import script_of

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
PACKAGE = "rpclab/"
IN_SDIST = ("LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml")

LOOK = """
import importlib, pathlib, sys
import rpclab
assert pathlib.Path(rpclab.__file__).is_relative_to(sys.prefix), rpclab.__file__
for name in rpclab.__all__:
    getattr(rpclab, name)
print(rpclab.__version__)
"""
"""Every public name is there, in what was installed and not in a clone."""


class ReleaseError(Exception):
    """This must not be released."""


def main() -> None:
    """Make all steps, and say how they went."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    version = str(project["version"])
    tell("building sdist and wheel into dist/")
    wheel, sdist = build()
    tracked = git_files()
    check_contents(names_in(wheel), tracked, needed=())
    check_contents(names_in(sdist), tracked, needed=IN_SDIST)
    tell("all of the package is in both, and nothing else")
    check_metadata(metadata_of(wheel), version, set(project["optional-dependencies"]))
    tell(f"the metadata is well-formed, of version {version}")
    with tempfile.TemporaryDirectory() as folder:
        tell("installing the wheel into a new environment")
        try_out(Path(folder), wheel, version)
    tell("the README's script and the rpclab command run there")
    print(f"{wheel.name} and {sdist.name} can be released")


def tell(text: str) -> None:
    """Say what was done, or is being done."""
    print(f"== {text}", flush=True)


def build() -> tuple[Path, Path]:
    """Build both; gives the wheel, and the sdist."""
    shutil.rmtree(DIST, ignore_errors=True)
    run([sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT)])
    return next(DIST.glob("*.whl")), next(DIST.glob("*.tar.gz"))


def git_files() -> set[str]:
    """What belongs to the package, as git knows it."""
    listed = run(["git", "-C", str(ROOT), "ls-files", PACKAGE])
    return set(listed.split())


def names_in(archive: Path) -> set[str]:
    """The files in a wheel or an sdist, without the folder that an sdist puts around them."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file:
            return {name for name in file.namelist() if not name.endswith("/")}
    with tarfile.open(archive) as file:
        return {each.name.partition("/")[2] for each in file.getmembers() if each.isfile()}


def check_contents(names: Iterable[str], tracked: set[str], needed: Iterable[str]) -> None:
    """Compare what is in an archive with what should be.

    Raises:
        ReleaseError: a file is missing, or there is one that git does not know.
    """
    inside = {name for name in names if name.startswith(PACKAGE)}
    missing = sorted((tracked | set(needed)) - set(names))
    foreign = sorted(inside - tracked)
    if missing:
        raise ReleaseError(f"it lacks {', '.join(missing)}")
    if foreign:
        raise ReleaseError(f"it holds what git does not know: {', '.join(foreign)}")


def metadata_of(wheel: Path) -> bytes:
    """What a wheel says of itself."""
    with zipfile.ZipFile(wheel) as file:
        [name] = [each for each in file.namelist() if each.endswith(".dist-info/METADATA")]
        return file.read(name)


def check_metadata(raw: bytes, version: str, extras: set[str]) -> None:
    """Check what a wheel says of itself, as an index would.

    Raises:
        ReleaseError: it is another version, or lacks a description or an extra.
        packaging.errors.ExceptionGroup: it is malformed.
    """
    metadata = Metadata.from_email(raw, validate=True)
    if str(metadata.version) != version:
        raise ReleaseError(f"its version is {metadata.version}, and pyproject.toml says {version}")
    if not metadata.description or metadata.description_content_type != "text/markdown":
        raise ReleaseError("it has no description in Markdown")
    lacking = extras - set(metadata.provides_extra or ())
    if lacking:
        raise ReleaseError(f"it lacks the extras {', '.join(sorted(lacking))}")


def try_out(folder: Path, wheel: Path, version: str) -> None:
    """Install a wheel into a new environment, and use it there.

    Raises:
        ReleaseError: something there is not as it should be.
    """
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = str(programs / "python")
    run([python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", str(wheel)])
    script, worker = script_of(ROOT / "README.md")
    (folder / "counter.py").write_text(worker, "utf-8")
    command = str(programs / "rpclab")
    call = [command, "run", "counter.py#CounterService", "new_counter().increment", "5"]
    for step, expected in [
        ([python, "-c", LOOK], f"{version}\n"),
        ([python, "-c", script.code], script.shows),
        ([command, "--version"], f"rpclab {version}\n"),
        (call, script.shows),
        ([python, "-m", "pip", "check"], "No broken requirements found.\n"),
    ]:
        said = run(step, cwd=folder)
        if said != expected:
            raise ReleaseError(f"{' '.join(step[-3:])} says {said!r}, and not {expected!r}")


def run(command: list[str], cwd: Path | None = None) -> str:
    """Run a program, outside of this tree; gives what it writes.

    Raises:
        ReleaseError: it fails.
    """
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=outside, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    try:
        main()
    except ReleaseError as error:
        sys.exit(f"== {error}")
