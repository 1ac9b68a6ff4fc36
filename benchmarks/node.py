"""Node.js and the npm packages of the peers: found, or installed on first use."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).with_name("peers")
VERSION = ("node", "--version")
INSTALL = ("npm", "install", "--no-save")  # npm ci wants the binaries of every platform locked
INSTALL_SECONDS = 600


def missing() -> str | None:
    """Make the Node.js peers ready to run; the reason when they cannot be."""
    if shutil.which("node") is None:
        return "Node.js is not on PATH"
    lock, installed = PEERS / "package-lock.json", PEERS / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return None
    if shutil.which("npm") is None:
        return "npm, which installs them, is not on PATH"
    print(f"installing the Node.js peers: {' '.join(INSTALL)}", file=sys.stderr, flush=True)
    try:
        subprocess.run(
            INSTALL, cwd=PEERS, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except subprocess.CalledProcessError as error:
        first_line = error.stderr.partition("\n")[0]
        return f"npm could not install them: {first_line}"
    except subprocess.TimeoutExpired:
        return f"npm took more than {INSTALL_SECONDS} seconds to install them"
    return None


def versions() -> dict[str, str]:
    """What the Node.js peers are: Node.js itself and the packages pinned."""
    node = subprocess.run(VERSION, check=True, capture_output=True, text=True)
    pinned: dict[str, str] = json.loads((PEERS / "package.json").read_text())["dependencies"]
    return {"Node.js": node.stdout.strip().removeprefix("v"), **pinned}
