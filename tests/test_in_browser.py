"""What is put together for browsers (tools/in_browser.py) is what the lock file pins."""

import json
import re
import zipfile
from pathlib import Path

import in_browser
import pytest

REQUIREMENTS = Path(__file__).parents[1] / "requirements"


def pins(name):
    lines = (REQUIREMENTS / name).read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith(("#", "-")))


def wheel(folder, name, version, *, needs=(), files=()):
    path = folder / f"{name}-{version}-py3-none-any.whl"
    metadata = [f"Name: {name.replace('_', '-')}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {need}" for need in needs]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(metadata))
        for file in files:
            archive.writestr(file, "")
    return path


def test_a_package_has_the_version_that_jupyterlab_has():
    browser, lab = pins("browser.txt"), pins("lab.txt")
    assert {name: browser[name] for name in browser.keys() & lab.keys()}.items() <= lab.items()


def test_no_requirement_names_a_host():
    for path in REQUIREMENTS.glob("*.txt"):
        assert not re.search(r"://|@", path.read_text("utf-8")), path


def test_a_pin_is_found_in_the_files_that_stand_on_one_another():
    assert in_browser.pin_of("pytest").startswith("pytest==")
    assert in_browser.pin_of("httpx").startswith("httpx==")
    with pytest.raises(ValueError, match="no file in requirements/ pins no-such-package"):
        in_browser.pin_of("no-such-package")


def test_a_wheel_is_found_by_any_spelling_of_its_name(tmp_path):
    path = wheel(tmp_path, "stack_data", "1.0")
    assert in_browser.wheel_for("Stack-Data==1.0", tmp_path) == path
    assert in_browser.wheel_for("stack-data==1.0.1", tmp_path) is None


def test_the_lock_file_says_what_a_wheel_is_and_needs(tmp_path):
    files = ["one/__init__.py", "two.py", "_three.cpython-314.so", "one-1.0.data/data/x.py"]
    needs = ["B.c>=1; sys_platform == 'win32'", 'd; extra == "e"']
    entry = in_browser.locked(wheel(tmp_path, "one", "1.0", needs=needs, files=files))
    assert entry["imports"] == ["_three", "one", "two"]
    assert entry["depends"] == {"b-c"}
    assert len(entry["sha256"]) == 64


def test_a_folder_names_no_package_that_is_not_in_it(tmp_path, monkeypatch):
    pyodide = tmp_path / "pyodide"
    pyodide.mkdir()
    for name in in_browser.CORE:
        (pyodide / name).touch()
    (pyodide / "pyodide-lock.json").write_text('{"info": {"python": "3.14.2"}, "packages": {}}')
    monkeypatch.setattr(in_browser, "pyodide_package", lambda: pyodide)
    wheels = [wheel(tmp_path, "one", "1", needs=["two", "three"]), wheel(tmp_path, "two", "2")]
    in_browser.assemble(tmp_path / "out", wheels)
    packages = json.loads((tmp_path / "out" / "pyodide-lock.json").read_text())["packages"]
    assert {name: entry["depends"] for name, entry in packages.items()} == {
        "one": ["two"],
        "two": [],
    }
    assert all((tmp_path / "out" / entry["file_name"]).exists() for entry in packages.values())


def test_stubs_of_packages_that_are_not_there_are_left_out(tmp_path):
    stubs = "jedi/third_party/typeshed"
    files = ["jedi/api.py", f"{stubs}/stdlib/os.pyi", f"{stubs}/stubs/six/six.pyi"]
    jedi = wheel(tmp_path, "jedi", "1", files=files)
    in_browser.slimmed(jedi, tmp_path / "copy.whl")
    with zipfile.ZipFile(tmp_path / "copy.whl") as archive:
        assert archive.namelist() == ["jedi-1.dist-info/METADATA", *files[:2]]
