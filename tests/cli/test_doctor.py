"""`rpclab doctor`: what a bug report needs."""

import json
import sys
from importlib import metadata

import pytest

import rpclab
from rpclab.cli import doctor as _doctor
from rpclab.cli import main

doctor = sys.modules[_doctor.callback.__module__]

NEEDS = ["msgpack>=1.1", 'httpx>=0.28; extra == "http"', 'rich>=13.7 ; extra == "cli"',
         "rpclab[http] ; extra == 'lab'", 'mypy; extra == "dev"']  # fmt: skip


@pytest.fixture
def installed(monkeypatch):
    """The versions that are there, by package."""
    versions = {"msgpack": "1.2.4", "httpx": "0.28.1"}

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "requires", lambda _: NEEDS)
    monkeypatch.setattr(metadata, "version", version)
    return versions


def test_versions_and_what_is_missing_are_told(installed, capsys):
    assert main(["doctor"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"rpclab {rpclab.__version__}" in said
    assert f"executable {sys.executable}" in said
    assert "the library msgpack 1.2.4" in said
    assert "rpclab[http] httpx 0.28.1 rpclab[cli] rich (missing)" in said
    assert "mypy" not in said


@pytest.mark.parametrize(
    ("package", "version", "said"),
    [
        ("msgpack", None, "msgpack is not installed: "),
        ("msgpack", "1.0.9", "msgpack is too old: 1.1 is needed: "),
        ("httpx", "0.9.1", "httpx is too old: 0.28 is needed: "),
    ],
)
def test_what_keeps_rpclab_from_working_is_a_failure_with_its_remedy(
    installed, capsys, package, version, said
):
    del installed[package]
    if version is not None:
        installed[package] = version
    assert main(["doctor"]) == 1
    complaint = capsys.readouterr().err
    assert said in complaint
    assert f'-m pip install "{package}>=' in complaint


def test_a_program_gets_all_of_it_as_json(installed, capsys):
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rpclab"] == rpclab.__version__
    assert {"extra": "cli", "name": "rich", "least": "13.7", "version": "",
            "trouble": "not installed"} in report["packages"]  # fmt: skip


def test_the_extras_that_are_not_whole_are_named_with_what_installs_them(installed, capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().err
    assert "not whole: rpclab[cli]; " in said
    assert "[cli]" in said.partition("pip install")[2]
    installed["rich"] = "13.8"
    assert main(["doctor"]) == 0
    assert "not whole" not in capsys.readouterr().err


def test_another_version_that_is_installed_is_a_failure_with_its_remedy(installed, capsys):
    installed["rpclab"] = "0.0.1"
    assert main(["doctor"]) == 1
    said = capsys.readouterr().err
    assert "the package that is installed says version 0.0.1" in said
    assert f"the code that runs {rpclab.__version__}: {sys.executable} -m pip install" in said
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["installed"], report["missing_extras"]) == ("0.0.1", ["cli"])
    installed["rpclab"] = rpclab.__version__
    assert main(["doctor"]) == 0


def test_a_tree_whose_files_say_different_versions_says_so(
    installed, monkeypatch, tmp_path, capsys
):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "rpclab"\nversion = "9.9"\n')
    monkeypatch.setattr(doctor, "_FOLDER", tmp_path / "rpclab")
    assert main(["doctor"]) == 1
    assert "pyproject.toml says version 9.9" in capsys.readouterr().err


@pytest.mark.parametrize("text", ['[project]\nname = "mine"\nversion = "9.9"\n', "no [ TOML", None])
def test_a_project_that_only_uses_rpclab_is_not_taken_for_its_own(
    installed, monkeypatch, tmp_path, capsys, text
):
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    monkeypatch.setattr(doctor, "_FOLDER", tmp_path / "rpclab")
    assert main(["doctor"]) == 0
    assert "9.9" not in capsys.readouterr().err


def test_extras_that_came_after_the_installation_are_named(monkeypatch, tmp_path, capsys):
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "rpclab"\nversion = "{rpclab.__version__}"\n'
        "[project.optional-dependencies]\nhttp = []\nlater = []\n"
    )
    monkeypatch.setattr(doctor, "_FOLDER", tmp_path / "rpclab")
    assert main(["doctor"]) == 0
    said = capsys.readouterr().err
    assert "extras that the installed package does not know: later; " in said


def test_a_tree_that_was_never_installed_says_so(monkeypatch, capsys):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    assert main(["doctor"]) == 0
    assert "rpclab is not installed as a package" in capsys.readouterr().err
