"""How Sphinx makes the documentation of docs/; tools/website.py lays out what it reads."""

from ipython_pygments_lexers import IPythonLexer

project = "rpclab"
copyright = "the rpclab contributors"  # noqa: A001 - Sphinx's name
html_title = "rpclab"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]

# Guides: headings have the anchors that GitHub gives them.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline", "colon_fence"]
# Docstrings are plain text first: they hold what reStructuredText takes for marks of its own.
suppress_warnings = ["docutils"]
pygments_style = "default"

# Reference: of docstrings in Google's style.
autodoc_typehints = "signature"
autodoc_member_order = "groupwise"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
default_role = "code"  # one backtick marks code there, as in Markdown
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # else an attribute of a dataclass is described twice
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80

templates_path = ["templates"]
html_context = {"default_mode": "auto"}
html_theme = "pydata_sphinx_theme"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("live.js", {"type": "module"})]
html_show_sourcelink = False
html_copy_source = False
html_favicon = "static/mark.svg"
html_sidebars = {"index": [], "tutorials": [], "reference": []}
html_theme_options = {
    "logo": {"text": "rpclab", "image_light": "static/mark.svg", "image_dark": "static/mark.svg"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "pygments_light_style": "default",
    "pygments_dark_style": "github-dark",
    "show_prev_next": True,
}


def setup(app):
    """Colour cells as such: their magics are no Python."""
    app.add_lexer("python", IPythonLexer)
