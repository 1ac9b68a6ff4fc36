"""`rpclab check`: mistakes that reading finds."""

import pytest

from rpclab.cli import main

CODE = """
from workers import DurableObject, WorkerEntrypoint
raise SystemExit("this was run")


class Default(WorkerEntrypoint):
    def greet(self): ...
    def fetch(self, request): ...


class Room(DurableObject):
    def enter(self): ...
"""
CONFIG = 'name = "{0}"\nmain = "main.py"\n{1}\n'


def deploy(folder, name, more="", code=CODE):
    (folder / name).mkdir()
    (folder / name / "wrangler.toml").write_text(CONFIG.format(name, more))
    (folder / name / "main.py").write_text(code)


def service(worker, entrypoint):
    return f'services = [{{ binding = "X", service = "{worker}", entrypoint = "{entrypoint}" }}]'


def test_what_can_be_reached_is_listed_and_nothing_is_run(tmp_path, capsys):
    deploy(tmp_path, "a")
    assert main(["check", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert [line.split() for line in out.splitlines()] == [
        ["a#Default", "fetch", "(HTTP),", "greet"],
        ["a#Room", "object", "enter"],
    ]
    assert err == ""


def test_all_mistakes_are_told_and_not_only_the_first(tmp_path, capsys):
    deploy(tmp_path, "a", "nmae = 1")
    deploy(tmp_path, "b", code="def (")
    deploy(tmp_path, "c", service("d", "Defalt"))
    deploy(tmp_path, "d")
    assert main(["check", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'a' / 'wrangler.toml'}:3:1: unknown key nmae" in said
    assert f"{tmp_path / 'b' / 'main.py'}:1:5: this is no Python" in said
    assert f'{tmp_path / "c" / "wrangler.toml"}:3: the Worker "d" has no entrypoint' in said
    assert "did you mean 'Default'?" in said


@pytest.mark.parametrize(("worker", "entrypoint"), [("a", "Room"), ("a", "Nothing")])
def test_a_service_leads_to_an_entrypoint_and_to_nothing_else(tmp_path, capsys, worker, entrypoint):
    deploy(tmp_path, "a")
    deploy(tmp_path, "b", service(worker, entrypoint))
    assert main(["check", str(tmp_path)]) == 1
    assert f'has no entrypoint "{entrypoint}"' in capsys.readouterr().err


def test_a_namespace_leads_to_a_class_of_durable_objects(tmp_path, capsys):
    more = 'durable_objects.bindings = [{ name = "ROOMS", class_name = "Default" }]'
    deploy(tmp_path, "a", f'{more}\nmigrations = [{{ tag = "1", new_classes = ["Default"] }}]')
    assert main(["check", str(tmp_path)]) == 1
    assert 'has no class of Durable Objects "Default"' in capsys.readouterr().err


def test_a_worker_that_was_not_given_is_no_mistake(tmp_path):
    deploy(tmp_path, "a", service("elsewhere", "Default"))
    assert main(["check", str(tmp_path)]) == 0


def test_two_workers_of_one_name_are_a_mistake(tmp_path, capsys):
    deploy(tmp_path, "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "wrangler.toml").write_text(CONFIG.format("a", ""))
    (tmp_path / "b" / "main.py").write_text(CODE)
    assert main(["check", str(tmp_path)]) == 1
    assert 'the name "a" is taken by' in capsys.readouterr().err


def test_a_warning_counts_only_where_that_is_asked_for(tmp_path, capsys):
    deploy(tmp_path, "a", "[limits]\ncpu_ms = 5")
    assert main(["check", str(tmp_path)]) == 0
    assert "warning: " in capsys.readouterr().err
    assert main(["check", "--strict", str(tmp_path)]) == 1


def test_code_without_a_configuration_is_listed_too(tmp_path, capsys):
    (tmp_path / "counter.py").write_text("def greet(x, env, ctx): ...")
    assert main(["check", str(tmp_path / "counter.py")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'counter.py'}#Default    greet\n"
    assert main(["check", str(tmp_path / "gone.py")]) == 1
    assert "cannot be read: No such file or directory" in capsys.readouterr().err


def test_an_environment_that_no_file_has_is_a_mistake(tmp_path, capsys):
    deploy(tmp_path, "a")
    assert main(["check", "-e", "live", str(tmp_path)]) == 1
    assert "there is no environment 'live'" in capsys.readouterr().err
