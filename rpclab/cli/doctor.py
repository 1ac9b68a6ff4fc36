"""`rpclab doctor`: what a bug report needs, and what is missing here.

Floor: cli.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import click

import rpclab
from rpclab.cli.base import DONE, FAILED, Command, complain, hint
from rpclab.cli.console import show_rows

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[^]]*\])?(?:>=(?P<least>[\d.]+))?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")
_BASE = "the library"
_OURS = (
    "notebook", "lab", "http", "serve", "tls", "capnweb", "cli", "validate", "pytest",
    "opentelemetry", "demos",
)  # fmt: skip
"""The extras that users install; the others are for work on rpclab itself."""

_FOLDER = Path(rpclab.__file__).parent
_PROGRAMS = ("node", "chromium", "google-chrome")
_PATIENCE = 10  # seconds for a program to say its version


class _Package(NamedTuple):
    """A package that rpclab needs, or that an extra does."""

    extra: str
    name: str
    least: str
    version: str

    @property
    def trouble(self) -> str:
        if not self.version:
            return "not installed"
        return f"too old: {self.least} is needed" if _is_older(self.version, self.least) else ""


@click.command(
    "doctor",
    cls=Command,
    short_help="show versions, extras and kernels: what a bug report needs",
    examples="""
rpclab doctor                  # to read
rpclab doctor --json | jq .    # for a program
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in one line.")
def doctor(as_json: bool) -> int:
    """Show what there is here of what rpclab works with, and what is missing.

    Nothing is sent anywhere. Put the output into a bug report. The status is 1 where a package that
    the library needs is missing or too old, one of an extra is too old, or what is installed is
    another version than the code that runs.
    """
    packages = _packages()
    installed = _installed("rpclab")
    stale = _stale(installed)
    lacking = _lacking(packages)
    report: dict[str, Any] = {
        "rpclab": rpclab.__version__,
        "installed": installed,
        "from": str(_FOLDER),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "executable": sys.executable,
        "system": platform.platform(),
        "packages": [each._asdict() | {"trouble": each.trouble} for each in packages],
        "kernels": _kernels(),
        "programs": {name: _version_of(name) for name in _PROGRAMS if shutil.which(name)},
    }
    report |= {"stale": stale, "missing_extras": lacking}
    broken = [each for each in packages if each.trouble and (each.version or each.extra == _BASE)]
    if as_json:
        click.echo(json.dumps(report))
    else:
        _show(report, packages)
        for each in broken:
            complain(f"{each.name} is {each.trouble}: {_remedy(each)}")
        if stale:
            complain(stale)
        if lacking:
            names = ", ".join(f"rpclab[{extra}]" for extra in lacking)
            hint(f"not whole: {names}; {_install(lacking)} installs them")
        unknown = _unknown_extras()
        if unknown:
            hint(
                f"pyproject.toml has extras that the installed package does not know:"
                f" {', '.join(unknown)}; {_install()} tells it"
            )
    return FAILED if broken or stale else DONE


def _show(report: dict[str, Any], packages: list[_Package]) -> None:
    rows = [[key, report[key]] for key in ("rpclab", "from", "python", "executable", "system")]
    for extra in dict.fromkeys(each.extra for each in packages):
        own = [each for each in packages if each.extra == extra]
        label = extra if extra == _BASE else f"rpclab[{extra}]"
        rows.append(
            [label, ", ".join(f"{each.name} {each.version or '(missing)'}" for each in own)]
        )
    rows += [["kernel", f"{name}: {python}"] for name, python in report["kernels"].items()]
    rows += [["program", f"{name} {version}"] for name, version in report["programs"].items()]
    show_rows(rows)
    if not packages:
        hint("rpclab is not installed as a package, so what its extras need is not known")


def _remedy(package: _Package) -> str:
    wanted = f"{package.name}>={package.least}" if package.least else package.name
    return _pip(wanted)


def _pip(what: str, option: str = "") -> str:
    return f'{sys.executable} -m pip install {option}"{what}"'


def _project() -> dict[str, Any]:
    """What stands in the pyproject.toml beside the code, where that is a tree of sources."""
    try:
        text = (_FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8")
        project = tomllib.loads(text).get("project", {})
    except (OSError, ValueError):
        return {}
    return project if project.get("name") == "rpclab" else {}


def _install(extras: Iterable[str] = ()) -> str:
    """The command that installs the code that runs, with extras."""
    wanted = f"[{','.join(extras)}]" if extras else ""
    if _project():
        return _pip(f"{_FOLDER.parent}{wanted}", "--editable ")
    return _pip(f"rpclab{wanted}", "" if extras else "--force-reinstall --no-deps ")


def _stale(installed: str) -> str:
    """Say what is wrong where another version is installed than the code says it is."""
    sources = _project().get("version", rpclab.__version__)
    if sources != rpclab.__version__:
        return f"pyproject.toml says version {sources}, and the code {rpclab.__version__}"
    if installed and installed != rpclab.__version__:
        return (
            f"the package that is installed says version {installed}, and the code that runs"
            f" {rpclab.__version__}: {_install()}"
        )
    return ""


def _lacking(packages: list[_Package]) -> list[str]:
    """The extras of which a package is missing."""
    missing = {each.extra for each in packages if not each.version}
    return [extra for extra in _OURS if extra in missing]


def _unknown_extras() -> list[str]:
    """The extras that the sources have, and the metadata of what is installed has not."""
    try:
        known = {name.lower() for name in metadata.metadata("rpclab").get_all("Provides-Extra", [])}
    except metadata.PackageNotFoundError:
        return []
    return [name for name in _project().get("optional-dependencies", {}) if name not in known]


def _packages() -> list[_Package]:
    """What rpclab needs, and what its extras do, with the versions that are installed."""
    try:
        needs = metadata.requires("rpclab") or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for need in needs:
        extra = _EXTRA.search(need)
        requirement = _REQUIREMENT.match(need)
        label = extra[1] if extra else _BASE
        if requirement is None or requirement["name"] == "rpclab" or label not in (_BASE, *_OURS):
            continue
        name = requirement["name"]
        found.append(_Package(label, name, requirement["least"] or "", _installed(name)))
    order = (_BASE, *_OURS)
    return sorted(found, key=lambda each: (order.index(each.extra), each.name))


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _is_older(version: str, least: str) -> bool:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", text.partition("+")[0])]

    return numbers(version) < numbers(least)


def _kernels() -> dict[str, str]:
    """The kernels of Jupyter for Python, each with the interpreter it runs on."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager  # noqa: PLC0415 - an extra's
    except ModuleNotFoundError:
        return {}
    specs = KernelSpecManager().get_all_specs()
    return {
        name: str(each["spec"]["argv"][0])
        for name, each in sorted(specs.items())
        if each["spec"].get("language") == "python" and each["spec"].get("argv")
    }


def _version_of(program: str) -> str:
    try:
        said = subprocess.run(  # noqa: S603 - one of our list, found on the PATH
            [shutil.which(program) or program, "--version"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "does not say its version"
    return said.stdout.strip()
