"""Settings of Sphinx: `sphinx-build -W -n docs docs/_build/html` makes the site, without network."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from ppi.provenance import package_version

project = "ppi"
author = "the ppi authors"
release = package_version()

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "generated_reference",
]
exclude_patterns = ["_build"]
html_theme = "pydata_sphinx_theme"
html_title = "ppi"
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_show_sourcelink = False
highlight_language = "none"

# Notebooks hold their output; the tests run them.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"

default_role = "py:obj"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
# Docstrings mark every name of code. Names that have no page of their own stay plain code, and so do the
# types of other libraries, whose documentation is elsewhere.
nitpick_ignore_regex = [("py:obj", r".*"), ("py:class", r".*")]
