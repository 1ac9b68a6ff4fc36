"""A server of PostgreSQL for the tests: of its own, on a socket in a folder, and gone with it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

_PLACES = "/usr/lib/postgresql"
_UNPRIVILEGED = ("postgres", "nobody")  # for it does not run as root


ROOT = Path(__file__).parents[2]
_PURPOSE = "the tests with PostgreSQL"


def _programs():
    """Where `initdb` and `postgres` are; installed if that can be; None where they are not."""
    found = _find()
    if found is None:
        setup = [ROOT / "tools" / "setup", "program", _PURPOSE, "postgresql", "pg_ctlcluster"]
        subprocess.run(setup, check=False, stdout=subprocess.DEVNULL)
        found = _find()
    return found


def _find():
    newest = sorted(Path(_PLACES).glob("*/bin"), key=lambda path: path.parent.name)
    for folder in [*reversed(newest), *map(Path, os.get_exec_path())]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


def _missing(why):
    if os.environ.get("CI") == "true":
        pytest.fail(f"{why}, and CI=true leaves nothing out", pytrace=False)
    pytest.skip(why)


@contextmanager
def server():
    """Run a server; gives the address of its database."""
    programs = _programs()
    if programs is None:
        _missing("PostgreSQL's server is not there (Debian: apt-get install postgresql)")
    user = None
    if os.getuid() == 0:
        known = {entry.pw_name for entry in pwd.getpwall()}
        user = next((name for name in _UNPRIVILEGED if name in known), None)
        if user is None:
            _missing("PostgreSQL does not run as root, and there is no other user")
    # The path of a socket is short, and the other user has to reach it: so it is not pytest's.
    folder = Path(tempfile.mkdtemp(prefix="rpclab-pg-", dir="/tmp"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        options = {"user": user, "cwd": folder, "stdout": subprocess.PIPE, "text": True}
        options["stderr"] = subprocess.STDOUT
        command = [
            programs / "initdb", "-D", data, "-A", "trust", "-U", "rpclab", "-E", "UTF8",
            "--no-locale", "--no-sync",
        ]  # fmt: skip
        made = subprocess.run(command, check=False, **options)
        assert made.returncode == 0, made.stdout
        command = [
            programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=",
            "-c", "fsync=off", "-c", "shared_buffers=16MB",
        ]  # fmt: skip
        with subprocess.Popen(command, **options) as running:
            try:
                for line in running.stdout:
                    if "ready to accept connections" in line:
                        break
                else:
                    raise AssertionError(f"PostgreSQL ended with {running.wait()}")
                yield f"postgresql://rpclab@/postgres?host={folder}"
            finally:
                running.terminate()
                running.communicate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
