"""`rpclab types`."""

import pytest

from rpclab.cli import main

CONFIG = 'name = "{0}"\nmain = "{0}.py"\n[[services]]\nbinding = "OTHER"\nservice = "{1}"\n'


@pytest.fixture
def two(tmp_path):
    """Two Workers that know each other: the paths of their configurations."""
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "wrangler.toml").write_text(CONFIG.format(name, other))
        (tmp_path / name / f"{name}.py").write_text(f"def {name}(x, env, ctx): return 5")
    return [str(tmp_path / name / "wrangler.toml") for name in ("a", "b")]


def test_types_are_written_beside_the_first_configuration_alone(two, tmp_path):
    assert main(["types", *two]) == 0
    assert "OTHER: BBinding" in (tmp_path / "a" / "workers.pyi").read_text()
    assert not (tmp_path / "b" / "workers.pyi").exists()


def test_a_folder_means_each_of_its_workers(two, tmp_path):
    assert main(["types", str(tmp_path)]) == 0
    assert "OTHER: BBinding" in (tmp_path / "a" / "workers.pyi").read_text()
    assert "OTHER: ABinding" in (tmp_path / "b" / "workers.pyi").read_text()


def test_a_worker_that_was_not_given_is_named(two, capsys):
    assert main(["types", two[0], "-o", "-"]) == 0
    out, err = capsys.readouterr()
    assert "OTHER: Any" in out
    assert err == (
        f'{two[0]}: env.OTHER: the Worker "b" is not among those given,'
        " so everything is allowed on it\n"
    )


def test_the_output_can_be_named(two, tmp_path):
    assert main(["types", *two, "-o", str(tmp_path / "a_types.pyi")]) == 0
    assert "OTHER: BBinding" in (tmp_path / "a_types.pyi").read_text()


def test_a_program_that_binds_several_workers_has_one_type(two, tmp_path):
    words = ["--bind", "ONE=a", "-b", "TWO=b#Default", "-o", str(tmp_path / "env.pyi")]
    assert main(["types", *two, *words]) == 0
    text = (tmp_path / "env.pyi").read_text()
    assert "    ONE: ABinding\n    TWO: BBinding\n" in text
    assert "def a(self" in text
    assert "def b(self" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-b", "ONE=a"], "--bind needs -o FILE: the types belong to no configuration\n"),
        (["-b", "ONE", "-o", "-"], "--bind takes VAR=WORKER[#CLASS], not 'ONE'\n"),
        (["-b", "ONE=", "-o", "-"], 'a binding leads to "worker" or'),
        (["-b", "1=a", "-o", "-"], "'1' cannot be the name of a variable\n"),
        (["-b", "ONE=aa", "-o", "-"], "there is no Worker \"aa\"\ndid you mean 'a'?\n"),
        (
            ["-b", "ONE=a#Defalt", "-o", "-"],
            'the Worker "a" has no class "Defalt"\ndid you mean \'Default\'?\n',
        ),
    ],
)
def test_a_binding_of_a_program_that_cannot_be_is_refused(two, capsys, words, said):
    assert main(["types", *two, *words]) == 1
    assert capsys.readouterr().err.startswith(said)


def test_one_file_cannot_hold_the_types_of_several(two, tmp_path, capsys):
    assert main(["types", str(tmp_path), "-o", "types.pyi"]) == 1
    assert "holds 2 configurations, and -o is one file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "literal"),
    [([], 'Literal["Hello", "Hi"]'), (["--environment", "live"], 'Literal["Hi"]')],
)
def test_an_environment_decides_what_a_text_may_be(tmp_path, capsys, arguments, literal):
    text = 'name = "a"\nmain = "a.py"\nvars = { G = "Hello" }\n[env.live.vars]\nG = "Hi"\n'
    (tmp_path / "wrangler.toml").write_text(text)
    (tmp_path / "a.py").write_text("")
    assert main(["types", str(tmp_path), "-o", "-", *arguments]) == 0
    assert f"G: {literal}\n" in capsys.readouterr().out


def test_what_is_wrong_is_said_in_a_line_with_its_place(tmp_path, capsys):
    (tmp_path / "wrangler.toml").write_text('name = "a"\nmain = "a.py"\ncompatibility_dates = []')
    assert main(["types", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{tmp_path / 'wrangler.toml'}:3:1: unknown key compatibility_dates\n")
    assert "did you mean 'compatibility_date'" in said


def test_code_that_is_no_python_is_named_with_its_line(tmp_path, capsys):
    (tmp_path / "wrangler.toml").write_text('name = "a"\nmain = "a.py"')
    (tmp_path / "a.py").write_text("x = 1\nclass")
    assert main(["types", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'a.py'}:2:6: this is no Python: ")
