"""Sphinx: Markdown pages, reference from docstrings, no network."""

import re
import textwrap
import tomllib
from pathlib import Path

project = "convsim-fp"
release = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))[
    "project"
]["version"]
copyright = "the convsim-fp authors"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
exclude_patterns = ["_build", "examples"]
html_theme = "furo"
html_title = f"convsim-fp {release}"
html_show_sourcelink = False
smartquotes_action = "qe"  # quotes and dots; two dashes begin an option

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings write names in single backticks, as Markdown does.
default_role = "code"
add_module_names = False
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries = False

nitpicky = True
# Without a network only our own names can be looked up; everything else passes.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!convsim_(fp|adapters)\b).*"),
    (r"py:(class|obj)", r".*\.[A-Z]"),  # type variables have no place of their own
    # What an entry is written down beside; the journal's own business.
    (r"py:class", r".*\.Hashed"),
    # What the MLflow drop-in hands to the planning that `simulate` has too; not public.
    (r"py:class", r".*\.OwnPorts"),
]


def tables_as_they_are(_app, what, _name, _obj, _options, lines):
    """Show what a module's docstring draws with spaces as it is drawn."""
    if what != "module":
        return
    literal = "::\n\n{}".format
    paragraphs = "\n".join(lines).split("\n\n")
    shown = (literal(textwrap.indent(it, "  ")) if "   " in it else it for it in paragraphs)
    lines[:] = "\n\n".join(shown).splitlines()


def functions_by_name(_app, _what, _name, _obj, _options, signature, returns):
    """Write a default that is a function as Python would take it; else no name in it is linked."""
    if signature:
        signature = re.sub(r"<function (\w+)>", r"\1", signature)
        signature = signature.replace("<function <lambda>>", "...")
    return signature, returns


def setup(app):
    app.connect("autodoc-process-signature", functions_by_name)
    app.connect("autodoc-process-docstring", tables_as_they_are)
