"""The site is built once for all tests; RPCLAB_SITE names a folder where one is already."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.browsers import CHROMIUM, leave_out_unless, need_chromium
from support.browsers import pictures as pictures  # noqa: PLC0414 - a fixture

ROOT = Path(__file__).parents[2]

BUILDER = ROOT / ".venv-site" / "bin" / "python"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The built site."""
    if "RPCLAB_SITE" in os.environ:
        return Path(os.environ["RPCLAB_SITE"])
    leave_out_unless(BUILDER.exists(), f"{BUILDER} (make .venv-site/.ready)")
    made = tmp_path_factory.mktemp("site")
    subprocess.run([BUILDER, ROOT / "tools" / "website.py", made], check=True)
    return made


# The end of a module is the end of playwright's event loop, in which other tests could run none.
@pytest.fixture(scope="module")
def site(folder):
    """The site in a browser; at the end of the module nobody else was asked for anything."""
    need_chromium()
    from support.jupyterlab import running_chromium  # noqa: PLC0415 - imports playwright
    from support.website import served  # noqa: PLC0415 - likewise

    with running_chromium(CHROMIUM) as browser, served(folder, browser) as running:
        yield running
        assert running.strays == []
