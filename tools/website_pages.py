"""Lay out what Sphinx reads, and build the documentation: guides, reference, the landing page.

The guides are docs/ as it is. Only links change that lead out of it: to tutorials, which open in
JupyterLite, and to files of the repository that the site has not, which become plain text.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from website_demo import demo

import rpclab

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "website"
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")
TUTORIAL = "lab/notebooks/index.html?path=notebooks/{}"
MARK = "\n<div data-live></div>\n"

SECTIONS = {
    "Calls": ("streams", "http", "network", "javascript", "reconnection", "validation"),
    "State": ("d1", "kv", "durable-objects"),
    "Seeing": ("views", "leaks", "distances", "what-if"),
    "Running": (
        "notebook",
        "browser",
        "own-project",
        "command-line",
        "configuration",
        "export",
        "limits",
    ),
    "Comparing": ("cloudflare-examples", "conformance", "playgrounds"),
    "Inside": ("architecture", "glossary", "upstream-ipykernel"),
}
"""The guides, in the order of the menu; one that is named nowhere stands at the end."""

RUN_IN_PLACE = (
    "streams", "http", "d1", "kv", "durable-objects", "distances", "views", "what-if", "notebook",
    "limits",
)  # fmt: skip
"""The guides whose Python is a notebook, from top to bottom, that needs no machine of its own."""

TO_BE_READ = {
    "09-talking-with-javascript": "sockets, which other programs dial",
    "10-more-than-one-process": "processes of its own",
}
"""Tutorials that a browser does not run, and what they need."""

REFERENCE = {
    "Workers": ("WorkerEntrypoint", "DurableObject", "RpcTarget", "wait_until", "objects", "fetch"),
    "Calling": (
        "RpcPromise",
        "RpcProperty",
        "RpcStub",
        "deadline",
        "dispose",
        "gather",
        "run",
        "surface",
    ),
    "Sandboxes": ("Sandbox", "binding", "Limits", "D1Limits", "ObjectLimits", "SharedObjects"),
    "Streams": ("ReadableStream", "WritableStream"),
    "HTTP messages": ("Request", "Response", "Headers", "Blob"),
    "Other programs": ("connect", "Reconnect", "serve", "asgi", "certificates", "ServerLimits"),
}
"""The public names by what they are for; errors and warnings are found by themselves."""


def build(folder: Path, scratch: Path) -> None:
    """Build the documentation into a folder of the site.

    Args:
        folder: the site.
        scratch: an empty folder for what Sphinx reads.
    """
    pages = scratch / "pages"
    shutil.copytree(SOURCES / "pages", pages)
    shutil.copytree(SOURCES / "static", pages / "static")
    shutil.copy(SOURCES / "conf.py", pages)
    (pages / "guide").mkdir()
    shutil.copytree(ROOT / "docs" / "pictures", pages / "guide" / "pictures")
    for path in sorted((ROOT / "docs").glob("*.md")):
        text = with_links(path.read_text("utf-8"), path, "../")
        (pages / "guide" / path.name).write_text(live(text, path), "utf-8")
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        path = ROOT / name
        text = with_links(path.read_text("utf-8"), path, "")
        (pages / name.lower()).write_text(text, "utf-8")
    (pages / "tutorials.md").write_text(tutorials(), "utf-8")
    (pages / "guides.md").write_text(guides(), "utf-8")
    (pages / "reference.md").write_text(reference(), "utf-8")
    landing = pages / "index.md"
    data = json.dumps(demo(), ensure_ascii=False).replace("<", "\\u003c")
    landing.write_text(landing.read_text("utf-8").replace("{{demo}}", data), "utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "dirhtml"]
    subprocess.run([*command, "-d", scratch / "doctrees", pages, folder], check=True)


def with_links(text: str, path: Path, up: str) -> str:
    """Have the links of a page lead to where things are in the site.

    Args:
        text: of the page.
        path: its file.
        up: leads from the page to the top of what Sphinx reads.
    """

    def changed(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        if "://" in target:
            return found[0]
        leads_to = (path.parent / target).resolve()
        if leads_to.parent == ROOT / "docs" and leads_to.suffix == ".md":
            return f"[{label}]({up}guide/{leads_to.name}{anchor})"
        if leads_to.name in {"CONTRIBUTING.md", "CHANGELOG.md"}:
            return f"[{label}]({up}{leads_to.name.lower()}{anchor})"
        if leads_to.suffix == ".ipynb":
            note = " (to be read here: it runs on a machine)" * (leads_to.stem in TO_BE_READ)
            return opens(label, TUTORIAL.format(leads_to.name), up) + note
        return label

    return LINK.sub(changed, text)


def opens(label: str, address: str, up: str) -> str:
    """A link into JupyterLite, which Sphinx knows nothing of; a page is a folder of its own."""
    return f'<a href="../{up}{address}">{label}</a>'


def live(text: str, path: Path) -> str:
    """Mark a page whose Python runs in place, below its first heading."""
    if path.stem not in RUN_IN_PLACE:
        return text
    head, line, rest = text.partition("\n")
    return head + line + MARK + rest


def tutorials() -> str:
    """The page of the tutorials: each opens in JupyterLite at a click."""
    path = ROOT / "notebooks" / "README.md"
    text = path.read_text("utf-8").partition("\n`make lab`")[0]
    note = (
        "A click opens a tutorial in your browser: JupyterLite, with Python inside. Nothing is"
        " installed, nothing is sent anywhere, and what you change stays in this browser. The"
        " first time Python takes some seconds to load. "
    )
    everything = opens("All of them in JupyterLab", "lab/lab/index.html", "")
    return f"{with_links(text, path, '')}\n{note}{everything}.\n"


def guides() -> str:
    """The page of the guides, with the menu."""
    there = {path.stem for path in (ROOT / "docs").glob("*.md")}
    named = [name for names in SECTIONS.values() for name in names]
    sections = {title: [n for n in names if n in there] for title, names in SECTIONS.items()}
    sections["Inside"] += sorted(there - set(named))
    parts = ["# Guides\n"]
    for title, names in sections.items():
        more = ["contributing", "changelog"] if title == "Inside" else []
        parts.append(menu(title, [*(f"guide/{name}" for name in names), *more]))
    return "\n".join(parts)


def menu(title: str, names: Iterable[str]) -> str:
    """A part of the menu."""
    lines = "\n".join(names)
    return f"## {title}\n\n```{{toctree}}\n:maxdepth: 1\n\n{lines}\n```\n"


def reference() -> str:
    """The page of all public names, each from its docstring."""
    named = {name for names in REFERENCE.values() for name in names}
    errors = [name for name in rpclab.__all__ if name not in named]
    parts = ["# Reference\n\nAll public names of `rpclab`, from their docstrings.\n"]
    for title, names in {**REFERENCE, "Errors and warnings": errors}.items():
        parts.append(f"## {title}\n")
        parts += [f"```{{eval-rst}}\n{directive(name)}\n```\n" for name in names]
    return "\n".join(parts)


def directive(name: str) -> str:
    """What has Sphinx document a public name."""
    if not isinstance(getattr(rpclab, name), type):
        return f".. autofunction:: rpclab.{name}"
    return f".. autoclass:: rpclab.{name}\n   :members:"
