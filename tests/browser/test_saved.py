"""Notebooks that were saved with views in them, where the kernel of these is gone."""

import pytest
from nbconvert import HTMLExporter

WORKER = """\
%%worker greeter
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def greet(self, name):
        return f"hello {name}"
"""

CALL = '%%trace\n%bind GREETER=greeter\nawait env.GREETER.greet("Ada")'

PICTURES = ["Timeline", "Timeline", "Graph"]  # of the trace, and of the two views

# The names of the pictures that are there to see, as drawings or as images.
SHOWN = """() => [...document.querySelectorAll('svg[role=img], img.rl-image')]
    .filter(picture => picture.getBoundingClientRect().width > 300)
    .map(picture => picture.alt ?? picture.getAttribute('aria-label'))"""
# The words to see, without those of drawings and of what is closed.
TEXT = "() => document.body.innerText"


@pytest.fixture(scope="module")
def saved(lab):
    """The notebook that a reader saved, while the page showed views live."""
    views = ("sandbox.timeline()", "sandbox.graph()")
    with lab.open_cells("%load_ext rpclab", WORKER, CALL, *views) as page:
        page.run_all()
        page.hold("1 call")
        page.find(".rl-live").nth(1).wait_for()
        assert page.evaluate(SHOWN) == ["Timeline"]  # and no picture below a live view
        return page.save()


def test_what_is_saved_holds_no_state_and_the_picture_beside_the_widget(saved):
    assert "widgets" not in saved.metadata
    for cell in saved.cells[-2:]:
        live, still = [output.data for output in cell.outputs]
        assert live["text/html"] == ""
        assert still.keys() == {"text/plain", "text/html"}


def test_a_saved_view_shows_its_picture_and_no_error(lab, saved, pictures):
    with lab.open_saved() as page:
        page.find(".jp-OutputArea-output.jupyter-widgets").nth(1).wait_for(state="attached")
        page.picture(pictures / "saved.png")
        assert page.evaluate(SHOWN) == PICTURES
        assert "Error" not in page.evaluate(TEXT)


def test_in_a_notebook_that_is_not_trusted_pictures_are_images_and_no_words_are_strewn(
    lab, saved, pictures
):
    with lab.open_saved(trusted=False) as page:
        page.find("img.rl-image").nth(2).wait_for()
        page.picture(pictures / "untrusted.png")
        assert page.evaluate("() => document.querySelectorAll('svg[role=img]').length") == 0
        assert page.evaluate(SHOWN) == PICTURES
        assert "distances are no times" not in page.evaluate(TEXT)


def test_as_a_page_of_nbconvert_it_shows_its_pictures_without_a_network(lab, saved, tmp_path):
    path = tmp_path / "saved.html"
    path.write_text(HTMLExporter().from_notebook_node(saved)[0], "utf-8")
    with lab.open_page(path) as page:
        assert page.evaluate(SHOWN) == PICTURES
        assert "Error" not in page.evaluate(TEXT)
        # What nbconvert puts into every page: formulas, and a loader of scripts.
        assert [url for url in page.strays if "cdnjs.cloudflare.com" not in url] == []
