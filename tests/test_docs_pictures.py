"""The pictures of the documents are what their programs give."""

import pictures
import pytest

DRAWN = pictures.pictures()


@pytest.mark.parametrize("name", list(DRAWN))
def test_a_picture_of_the_documents_is_current(name):
    assert (pictures.FOLDER / name).read_text("utf-8") == DRAWN[name], "run `make docs`"


def test_the_documents_show_every_picture_and_none_that_is_not_there():
    page = (pictures.FOLDER.parent / "views.md").read_text("utf-8")
    assert {name for name in DRAWN if f"(pictures/{name})" in page} == DRAWN.keys()
    # The last one is that of docs/scale.md, of which tests/placement/test_scale.py sees.
    assert {path.name for path in pictures.FOLDER.iterdir()} == {*DRAWN, "scale.svg"}
