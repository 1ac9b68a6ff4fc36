"""What `import` means in the code of a Worker that brings modules along."""

import sys

import pytest

import rpclab


@pytest.fixture
def deploy(tmp_path, sandbox):
    """Deploy a Worker whose one function gives what the source calls `result`."""

    def deploy(source, files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return sandbox.deploy("w", source=source, folder=tmp_path).module

    return deploy


def test_modules_beside_it_are_found_and_stay_its_own(deploy):
    module = deploy("import pages\nfrom pages import title", {"pages.py": "title = 'shop'"})
    assert module.title == module.pages.title == "shop"
    assert "pages" not in sys.modules


def test_they_may_import_each_other_and_workers(deploy):
    module = deploy(
        "from one import Service, two_name",
        {
            "one.py": "from workers import WorkerEntrypoint\nimport two\ntwo_name = two.name\n"
            "class Service(WorkerEntrypoint): pass\n",
            "two.py": "import one\nname = 'two'",
        },
    )
    assert module.two_name == "two"
    assert issubclass(module.Service, rpclab.WorkerEntrypoint)


async def test_a_class_that_is_imported_is_exported(deploy, sandbox):
    deploy(
        "from api import Api",
        {
            "api.py": "from workers import WorkerEntrypoint\n"
            "class Api(WorkerEntrypoint):\n    def hi(self): return 'hi'\n",
        },
    )
    assert await sandbox.bind(API="w#Api").API.hi() == "hi"


def test_packages_work_as_usual(deploy):
    module = deploy(
        "import shop.pages\nimport shop.pages as pages\nfrom shop import pages as again, prices\n"
        "from shop.pages import *\n",
        {
            "shop/__init__.py": "from . import prices\nfrom .pages import title as first_title\n",
            "shop/pages.py": "from .prices import bread\nfrom shop.prices import bread as same\n"
            "title = f'bread: {bread + same}'\n",
            "shop/prices.py": "bread = 2",
        },
    )
    assert module.shop.pages is module.pages is module.again
    assert module.title == module.shop.first_title == "bread: 4"
    assert module.prices.bread == 2


def test_modules_of_a_package_may_import_each_other(deploy):
    module = deploy(
        "import shop.pages, shop.baker",
        {
            "shop/__init__.py": "",
            "shop/pages.py": "from shop import prices\ntitle = 'bread'",
            "shop/prices.py": "from shop import pages\nfrom . import pages as same",
            "shop/baker.py": "import shop.oven as oven",
            "shop/oven.py": "import shop.baker as baker",
        },
    )
    assert module.shop.prices.pages is module.shop.prices.same is module.shop.pages
    assert module.shop.oven.baker is module.shop.baker


def test_a_module_that_fails_is_none_of_its_package(deploy):
    module = deploy(
        "import shop\ntry:\n    import shop.pages\nexcept ZeroDivisionError:\n    pass",
        {"shop/__init__.py": "", "shop/pages.py": "1 / 0"},
    )
    assert not hasattr(module.shop, "pages")


def test_a_folder_without_init_is_a_package_unless_one_is_installed(deploy):
    module = deploy(
        "import parts.one, json\nfrom parts import two",
        {
            "parts/one.py": "name = 'one'",
            "parts/two.py": "name = 'two'",
            "json/x.py": "",
        },
    )
    assert (module.parts.one.name, module.two.name) == ("one", "two")
    assert module.json is __import__("json")


def test_a_module_of_its_own_comes_before_an_installed_one(deploy):
    module = deploy("import colorsys, json", {"colorsys.py": "mine = True"})
    assert module.colorsys.mine
    assert module.json is __import__("json")
    assert not hasattr(__import__("colorsys"), "mine")


def test_two_workers_have_modules_of_the_same_name(tmp_path, sandbox):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pages.py").write_text(f"title = {name!r}")
        sandbox.deploy(name, source="import pages", folder=tmp_path / name)
    titles = [sandbox.worker(name).module.pages.title for name in ("a", "b")]
    assert titles == ["a", "b"]


def test_a_new_version_runs_its_modules_anew(deploy):
    first = deploy("import state", {"state.py": "text = 'aa'"})
    second = deploy("import state", {"state.py": "text = 'bb'"})
    assert (first.state.text, second.state.text) == ("aa", "bb")


def test_inside_a_function_it_is_the_same_module(deploy):
    module = deploy(
        "import state\ndef again():\n    import state\n    return state", {"state.py": ""}
    )
    assert module.again() is module.state


@pytest.mark.parametrize(
    ("statement", "error", "said"),
    [
        ("import nowhere", ModuleNotFoundError, "No module named 'nowhere'"),
        ("import one.deep", ModuleNotFoundError, "'one' is not a package"),
        ("from one import nothing", ImportError, "cannot import name 'nothing' from 'one'"),
        ("import pack.nothing", ModuleNotFoundError, "No module named 'pack.nothing'"),
        ("from pack import nothing", ImportError, "cannot import name 'nothing' from 'pack'"),
        ("from . import one", ImportError, "so name the module without the dots"),
        ("import broken", ZeroDivisionError, "division by zero"),
        ("import workers.deep", ModuleNotFoundError, "'workers' is not a package"),
    ],
)
def test_what_cannot_be_imported_is_said_as_usual(deploy, statement, error, said):
    files = {"one.py": "", "pack/__init__.py": "", "broken.py": "1/0"}
    with pytest.raises(error, match=said):
        deploy(statement, files)


def test_without_a_folder_there_are_none(tmp_path, sandbox, monkeypatch):
    (tmp_path / "beside.py").write_text("")
    with pytest.raises(ModuleNotFoundError):
        sandbox.deploy("w", source="import beside", filename=str(tmp_path / "main.py"))


def test_dataclasses_work_with_annotations_that_are_texts(deploy):
    source = (
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int = 1\n"
    )
    module = deploy(f"{source}import shapes", {"shapes.py": source})
    assert module.Point().x == module.shapes.Point().x == 1
    assert not sys.modules.keys() & {module.__name__, "shapes"}


def test_the_code_of_a_worker_means_what_it_means_elsewhere(deploy):
    source = "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int = 1\n"
    module = deploy(f"{source}import shapes", {"shapes.py": source})
    assert module.Point.__annotations__ == module.shapes.Point.__annotations__ == {"x": int}
