"""Build the site: one static folder with the documentation and the sandbox itself (`make site`).

    tools/website.py FOLDER [--lite-only | --pages-only]

The documentation is made by Sphinx of docs/, the tutorials by JupyterLite, whose kernel is Pyodide
with our wheels inside. Whatever a page of FOLDER asks for lies in FOLDER.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import website_pages
import website_policy
from in_browser import CACHE, CORE, assemble, wheels

from rpclab.config.document import Document

ROOT = Path(__file__).parents[1]
LAB = "lab"
"""The folder of the site that holds JupyterLite."""

AHEAD = "python.json"
"""In that folder, the list of the files that Python begins with."""

START = "start.mjs"
"""Starts Python, in the place of Pyodide's own module."""

EXTENSIONS = ("anywidget", "jupyterlab_widgets", "jupyterlite-pyodide-kernel")
APPLICATIONS = ("lab", "notebooks", "tree")
SCRIPT = '<link rel="stylesheet" href="../lab.css"><script type="module" src="../lab.js"></script>'
KERNELSPEC = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
NOT_HERE = """\
> **To be read here, and to be run on a machine.** This tutorial takes {needs}, and Python in a
> browser has none: its cells would fail. Below them stands what they show where they run. In a
> clone of the repository `make lab` opens it. Tutorials 1 to 8 and 11 run here."""
"""Stands at the top of a tutorial that a browser cannot run."""

NOT_LOADED_AHEAD = {"pydantic", "pydantic-core", "annotated-types", "typing-inspection"}
"""What only `%rpclab validate on` needs; `import pydantic` in a cell fetches it."""


def main() -> None:
    """Read the command line, and build."""
    parser = argparse.ArgumentParser(description="Build the site.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lite-only", action="store_true", help="leave the documentation out")
    parser.add_argument("--pages-only", action="store_true", help="leave JupyterLite as it is")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not arguments.pages_only:
        shutil.rmtree(folder / LAB, ignore_errors=True)
        build_lab(folder / LAB)
    if not arguments.lite_only:
        with tempfile.TemporaryDirectory() as scratch:
            website_pages.build(folder, Path(scratch))
    protect_pages(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{arguments.folder} is a static site of {size / 1e6:.0f} MB; to look at it:")
    print(f"python -m http.server --bind 127.0.0.1 --directory {arguments.folder}")


def protect_pages(folder: Path) -> None:
    """Have all pages refuse other hosts, but for those that are files of the demos."""
    pages = [path.relative_to(folder) for path in folder.rglob("*.html")]
    of_lab = [page for page in pages if page.parts[0] == LAB and page.parts[1] != "files"]
    of_documentation = [page for page in pages if page.parts[0] not in {LAB, "_static"}]
    website_policy.protect((folder / page for page in of_lab), compiles=True)
    website_policy.protect(folder / page for page in of_documentation)


def build_lab(folder: Path) -> None:
    """Build JupyterLite with the tutorials, the kernel and all that it loads."""
    with tempfile.TemporaryDirectory() as scratch:
        lite = Path(scratch)
        own = own_wheel(lite / "wheel")
        fetched = wheels(["jupyterlite-pyodide-kernel"])
        extensions = [path for path in fetched if path.name.startswith("jupyterlite_pyodide")]
        of_kernel = unpack_kernel(extensions[0], lite / "kernel")
        loaded = [path for path in fetched if path not in extensions]
        pyodide = lite / "static" / "pyodide"
        assemble(pyodide, [own, *loaded, *of_kernel])
        packages = json.loads((pyodide / "pyodide-lock.json").read_text("utf-8"))["packages"]
        loaded_ahead = sorted(packages.keys() - NOT_LOADED_AHEAD)
        wheels_ahead = [pyodide / packages[name]["file_name"] for name in loaded_ahead]
        archive = pack_together(pyodide, loaded_ahead, wheels_ahead)
        write_json(lite / "jupyter-lite.json", runtime(loaded_ahead))
        write_json(lite / "jupyter_lite_config.json", build_config(fetched, folder))
        shutil.copy(ROOT / "binder" / "overrides.json", lite)
        write_contents(lite / "contents")
        command = [sys.executable, "-m", "jupyterlite_core.app", "build", "--contents=contents"]
        run(command, lite)
    names = [*CORE, "pyodide-lock.json", START, "start.json", archive]
    write_json(folder / AHEAD, files_ahead(folder / "static" / "pyodide", names))
    start_by_our_script(folder / "jupyter-lite.json")
    add_our_script(folder)


def pack_together(pyodide: Path, packages: list[str], of_wheels: list[Path]) -> str:
    """Replace wheels by one archive of their files, which `start.mjs` lays out all at once.

    Args:
        pyodide: the folder.
        packages: the names that Pyodide's lock file has for them.
        of_wheels: the wheels, which are deleted.

    Returns:
        The name of the archive. It has the digest of what it holds, so no cache gives an old one.
    """
    files: dict[str, bytes] = {}
    for wheel in of_wheels:
        with zipfile.ZipFile(wheel) as opened:
            for name in opened.namelist():
                if not name.endswith("/") and ".data/" not in name:
                    files[name] = opened.read(name)
        wheel.unlink()
    index = json.dumps([[name, len(data)] for name, data in files.items()], ensure_ascii=False)
    content = gzip.compress(b"\n".join([index.encode(), b"".join(files.values())]), mtime=0)
    archive = f"packages-{hashlib.sha256(content).hexdigest()[:16]}.gz"
    (pyodide / archive).write_bytes(content)
    shutil.copy(ROOT / "website" / "static" / START, pyodide)
    of_image = [pyodide / name for name in (*CORE, START, archive)]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in of_image)).hexdigest()[:16]
    write_json(pyodide / "start.json", {"archive": archive, "packages": packages, "key": key})
    return archive


def start_by_our_script(settings: Path) -> None:
    """Have the kernel of JupyterLite start Python as the pages of the documentation do."""
    text = settings.read_text("utf-8")
    if text.count("/pyodide.mjs") != 1:
        raise ValueError(f"{settings} does not say where Pyodide is, as it used to")
    settings.write_text(text.replace("/pyodide.mjs", f"/{START}"), "utf-8")


def files_ahead(pyodide: Path, names: Iterable[str]) -> dict[str, Any]:
    """What the pages say of the files that Python begins with, and fetch while they wait."""
    paths = [pyodide / name for name in names]
    size = sum(path.stat().st_size for path in paths)
    files = [f"static/pyodide/{path.name}" for path in paths]
    return {"files": files, "megabytes": round(size / 1e6)}


def add_our_script(folder: Path) -> None:
    """Have the applications of JupyterLite say what they wait for, and share notebooks."""
    for name in ("lab.js", "lab.css", "share.js"):
        shutil.copy(ROOT / "website" / "static" / name, folder)
    for name in APPLICATIONS:
        page = folder / name / "index.html"
        text = page.read_text("utf-8")
        if text.count("</body>") != 1:
            raise ValueError(f"{page} is not the page that JupyterLite {name} used to be")
        page.write_text(text.replace("</body>", f"{SCRIPT}</body>"), "utf-8")


def own_wheel(folder: Path) -> Path:
    """Build the wheel of rpclab itself."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    run([*command, ROOT], ROOT)
    return next(folder.glob("*.whl"))


def unpack_kernel(extension: Path, folder: Path) -> list[Path]:
    """Take the wheels of the kernel out of the extension that brings them."""
    folder.mkdir()
    with zipfile.ZipFile(extension) as archive:
        for name in archive.namelist():
            if "/static/pypi/" in name and name.endswith(".whl"):
                (folder / Path(name).name).write_bytes(archive.read(name))
    return [path for path in folder.iterdir() if not path.name.startswith("widgetsnbextension")]


def runtime(packages: list[str]) -> dict[str, Any]:
    """What the page in the browser is told: which packages come together with Python."""
    kernel = {
        "pyodideUrl": "./static/pyodide/pyodide.mjs",
        "disablePyPIFallback": True,
        "loadPyodideOptions": {"packages": packages},
    }
    return {
        "jupyter-lite-schema-version": 0,
        "jupyter-config-data": {
            "appName": "rpclab",
            "exposeAppInBrowser": True,
            "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
        },
    }


def build_config(fetched: Iterable[Path], folder: Path) -> dict[str, Any]:
    """What JupyterLite is built with: nothing of the environment but what is named here."""
    names = tuple(name.replace("-", "_") for name in EXTENSIONS)
    extensions = [str(path) for path in fetched if path.name.startswith(names)]
    return {
        "LiteBuildConfig": {
            "output_dir": str(folder),
            "apps": list(APPLICATIONS),
            "federated_extensions": extensions,
            "ignore_sys_prefix": ["federated_extensions"],
            "extra_file_types": {name: text_file(name) for name in (".sql", ".vars")},
            "no_sourcemaps": True,
            "no_unused_shared_packages": True,
            "cache_dir": str(CACHE / "lite"),
        },
        "ContentsManager": {"allow_hidden": True},  # the demos have their `.dev.vars`
    }


def text_file(ending: str) -> dict[str, Any]:
    """What JupyterLite is told of files that are text."""
    return {
        "name": ending,
        "fileFormat": "text",
        "mimeTypes": ["text/plain"],
        "extensions": [ending],
    }


def tutorials() -> list[Path]:
    """The notebooks that a browser runs."""
    found = sorted((ROOT / "notebooks").glob("*.ipynb"))
    return [path for path in found if path.stem not in website_pages.TO_BE_READ]


def tutorial(path: Path) -> dict[str, Any]:
    """A notebook as a browser opens it: as never run, or to be read, with what it showed."""
    notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    notebook["metadata"]["kernelspec"] = KERNELSPEC
    needs = website_pages.TO_BE_READ.get(path.stem)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and needs is None:
            cell["outputs"], cell["execution_count"] = [], None
        elif cell["cell_type"] == "code":
            cell["metadata"]["trusted"] = True  # ours: else pictures are not shown
    if needs is not None:
        text = NOT_HERE.format(needs=needs)
        note = {"id": "not-here", "cell_type": "markdown", "metadata": {}, "source": text}
        notebook["cells"].insert(0, note)
    return notebook


def write_contents(folder: Path) -> None:
    """Lay out what the file browser shows: the tutorials, and what they read."""
    notebooks = folder / "notebooks"
    notebooks.mkdir(parents=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        write_json(notebooks / path.name, tutorial(path))
    shutil.copy(ROOT / "notebooks" / "README.md", notebooks)
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    shutil.copytree(ROOT / "demos", folder / "demos", ignore=ignored)
    for path in (folder / "demos").rglob("*.jsonc"):
        # It takes a file of that name for JSON, and gives none that has comments.
        write_json(path, Document.from_file(path).data)


def write_json(path: Path, value: Any) -> None:
    """Write a file of JSON."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), "utf-8")


def run(command: list[Any], folder: Path) -> None:
    """Run a command; what it says is shown only where it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{command[2]} failed with exit code {done.returncode}")


if __name__ == "__main__":
    main()
