"""Chromium for the tests of pages: where it is, and what is left out where it is not."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

CHROMIUM = os.environ.get("RPCLAB_CHROMIUM") or "/usr/bin/chromium"


def leave_out_unless(found, needed):
    """Skip the test where something is not there; with CI=true it fails."""
    if not found and os.environ.get("CI") == "true":
        pytest.fail(f"no {needed}, and CI=true leaves nothing out", pytrace=False)
    if not found:
        pytest.skip(f"the tests of pages need {needed}")


def need_chromium():
    """Leave the test out where no page can be driven."""
    leave_out_unless(shutil.which(CHROMIUM), f"Chromium at {CHROMIUM} (RPCLAB_CHROMIUM)")
    leave_out_unless(find_spec("playwright"), "playwright")


@pytest.fixture
def pictures(tmp_path):
    """The folder where a test keeps its pictures."""
    folder = Path(os.environ.get("RPCLAB_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
