"""Settings of the documentation site, which ``make docs`` builds with Sphinx.

The pages are Markdown that a Git host shows as well. This folder has what only the site needs: its
navigation, the reference that is made from docstrings, and an address for its first page.
"""

from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

SITE = Path(__file__).parent

project = "breakeven"
html_title = project
language = "en"
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/site/reference.rst"]
exclude_patterns = [".*", "build", "docs/*_intro.md"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 6

autodoc_class_signature = "separated"  # results are returned, and never made by users
autodoc_member_order = "bysource"
napoleon_google_docstring = False

highlight_language = "none"
# Blocks whose first line names a file are not quite the language that they state.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_extra_path = ["index.html"]
html_copy_source = False
# Excerpts are fetched, which browsers refuse for pages that are opened from a disk.
html_show_search_summary = False


def add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the navigation to the first page, where a Git host would show it as code."""
    if page == root_doc:
        source[0] += "\n" + (SITE / "navigation.md").read_text(encoding="utf-8")


def unlink_folders(app: Sphinx, page: nodes.document) -> None:
    """Replace links to folders of the repository, which a site cannot show, with their text."""
    here = Path(app.env.doc2path(app.env.docname)).parent
    for link in list(page.findall(addnodes.pending_xref)):
        if link["reftype"] == "myst" and (here / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Register the two changes of pages."""
    app.connect("source-read", add_navigation)
    app.connect("doctree-read", unlink_folders)
