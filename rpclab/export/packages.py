"""The packages that the code of Workers needs, as a pyproject.toml.

Floor: export.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from importlib import metadata

from rpclab.export.files_of_worker import imported

_PLATFORM = frozenset({"asgi", "js", "pyodide", "pyodide_js", "rpclab", "workers", "wsgi"})


def packages(texts: Iterable[str], own: Iterable[str]) -> list[str]:
    """Name the distributions that some texts import from, with the version that is installed here.

    Args:
        texts: of modules; one that is no Python names none.
        own: the first names of the modules that stand beside them.
    """
    names: set[str] = set()
    for text in texts:
        try:
            names |= imported(text)
        except SyntaxError:
            continue
    names -= {*own, *_PLATFORM, *sys.stdlib_module_names}
    if not names:
        return []
    known = metadata.packages_distributions()
    found = {distribution for name in names for distribution in known.get(name, [name])[:1]}
    return sorted((_requirement(name) for name in found), key=str.lower)


def _requirement(name: str) -> str:
    try:
        return f"{name}>={metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name


def of_worker(name: str, needed: Iterable[str]) -> str:
    """The pyproject.toml of one Worker, from which Cloudflare's pywrangler takes its packages."""
    return _project(name, needed, ">=3.12", 'dev = ["workers-py", "workers-runtime-sdk"]')


def of_all(name: str, needed: Iterable[str]) -> str:
    """The pyproject.toml of all of them: what `rpclab serve` needs to run them."""
    return _project(name, ["rpclab[serve]", *needed], ">=3.11")


def _project(name: str, needed: Iterable[str], python: str, group: str = "") -> str:
    lines = [f"    {json.dumps(each)}," for each in needed]
    listed = ["dependencies = [", *lines, "]"] if lines else ["dependencies = []"]
    groups = ["", "[dependency-groups]", group] if group else []
    head = ["[project]", f'name = "{name}"', 'version = "0.1.0"', f'requires-python = "{python}"']
    return "\n".join([*head, *listed, *groups, ""])
