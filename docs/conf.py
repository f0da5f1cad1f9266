"""Settings of the site; python docs/build_site.py makes its sources and builds it."""

import importlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

import skal_deep

project = "skal_deep"
author = "The skal_deep developers"
version = release = skal_deep.__version__
extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_design",
]
root_doc = "index"
exclude_patterns = ["**.ipynb_checkpoints"]
nitpicky = False  # numpydoc's types are words, such as "array-like of shape (n,)"
suppress_warnings = ["config.cache"]

nb_execution_mode = "off"  # the tests run them, and compare what is stored
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
nb_merge_streams = True

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_title = "skal_deep"
html_math_renderer = "mathml"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_search_scorer = str(Path(__file__).parent / "_static" / "scorer.js")
html_js_files = ["rounds.js"]
html_theme_options = {
    "github_url": "https://github.com/skal-deep/skal-deep",
    "show_prev_next": True,
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "article_footer_items": ["prev-next"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
copyright = "the skal_deep developers; BSD 3-Clause"

# From a public name to where it lives, if only one package has it. Words of one piece,
# such as ``margin``, are as often a parameter.
_PACKAGES = (
    "pool",
    "classifier",
    "evaluation",
    "functional",
    "visualization",
    "testing",
    "embedding",
    "datasets",
    "campaign",
    "modules",
)


def homes() -> dict[str, str]:
    """Return the full names that a page means by a short one."""
    public = {
        package: importlib.import_module(f"skal_deep.{package}").__all__
        for package in _PACKAGES
    }
    count = Counter(name for names in public.values() for name in set(names))
    return {
        name: f"skal_deep.{package}.{name}"
        for package, names in reversed(public.items())
        for name in names
        if "_" in name or name[0].isupper() or count[name] > 1
    }


_HOMES = homes()
_logger = getLogger(__name__)


def link_names(app: Sphinx, doctree: nodes.document) -> None:
    """Make code that is a public name, alone or called, a link to its page."""
    for literal in list(doctree.findall(nodes.literal)):
        text = literal.astext()
        found = re.fullmatch(r"(\w+)(\(.*\))?", text, re.S)
        inside = literal.parent
        while inside is not None and not isinstance(
            inside, nodes.reference | nodes.title | addnodes.pending_xref
        ):
            inside = inside.parent
        if found is None or found[1] not in _HOMES or inside is not None:
            continue
        link = addnodes.pending_xref(
            "",
            literal.deepcopy(),
            refdomain="py",
            reftype="obj",
            reftarget=_HOMES[found[1]],
            refexplicit=True,
            refdoc=app.env.docname,
        )
        literal.replace_self(link)


def shorten(app: Sphinx, what: str, *others: Any) -> None:
    """Leave the text to the page of a class that has one in the gallery."""
    *_, lines = others
    if what != "class" or not app.env.docname.startswith("gallery/"):
        return
    for place, line in enumerate(lines[:-1]):
        if line in ("Parameters", "See Also") and lines[place + 1].startswith("---"):
            lines[1:place] = [""]
            return


def skip_routing(*given: Any) -> bool | None:
    """Leave out what scikit-learn writes into every class for its routing."""
    _, _, name, *_ = given
    is_routing = re.fullmatch(r"set_\w+_request|get_metadata_routing", name)
    return True if is_routing else None


def write_math(translator: Any, node: Any) -> None:
    """Write a formula as MathML, which browsers show without a script."""
    is_block = isinstance(node, nodes.math_block)
    try:
        # Sizes of brackets, which MathML finds by itself.
        tex = re.sub(r"\\[bB]igg?(?![A-Za-z])", "", node.astext())
        mathml = tex2mathml(tex, as_block=is_block)
        if is_block:  # brackets as high as what is between them
            mathml = mathml.replace(' stretchy="false"', "")
    except MathError as error:
        _logger.warning("%s in %r", error, node.astext(), location=node)
        raise nodes.SkipNode from error
    translator.body.append(
        f'<div class="formula">{mathml}</div>' if is_block else mathml
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Register what this file adds to Sphinx."""
    app.connect("doctree-read", link_names)
    app.connect("autodoc-skip-member", skip_routing)
    app.connect("autodoc-process-docstring", shorten, priority=400)
    app.add_html_math_renderer("mathml", (write_math, None), (write_math, None))
