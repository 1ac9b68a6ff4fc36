"""The peers in Python: found, or installed on first use into an environment of their own."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.node import PEERS

REQUIREMENTS = PEERS / "requirements.txt"
FOLDER = PEERS / ".venv"
PYTHON = FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
SECONDS = 600


def missing() -> str | None:
    """Make the peers in Python ready to run; the reason when they cannot be."""
    done = FOLDER / ".ready"
    if done.exists() and done.stat().st_mtime >= REQUIREMENTS.stat().st_mtime:
        return None
    install = (str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "-q", "-r")
    print(f"installing the peers in Python into {FOLDER}", file=sys.stderr, flush=True)
    try:
        for command in ((sys.executable, "-m", "venv", str(FOLDER)), (*install, str(REQUIREMENTS))):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.CalledProcessError as error:
        said = [line for line in error.stderr.splitlines() if line.startswith("ERROR")]
        return f"pip could not install them: {said[-1] if said else error}"
    except subprocess.TimeoutExpired:
        return f"pip took more than {SECONDS} seconds to install them"
    done.touch()
    return None


def versions() -> dict[str, str]:
    """What the peers in Python are."""
    lines = REQUIREMENTS.read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    return {name: pins[name] for name in ("grpcio", "py-capnweb", "pycapnp", "rpyc")}
