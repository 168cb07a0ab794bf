"""The site of these pages: `make docs` builds it into build/site, and every warning fails.

The pages are plain Markdown that reads well on a code host. Their order is the lists of `index.md`; the reference is made of
the docstrings, the argument parsers and the provider's own description, each time anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_site"))

project = "airflow-provider-aep"
author = copyright = "the authors of airflow-provider-aep"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "navigation", "reference"]
exclude_patterns = ["_site"]
suppress_warnings = ["misc.highlighting_failure"]  # text/plain blocks of shells and logs

html_theme = "furo"
html_title = "Airflow and AEP"
html_baseurl = ""
html_show_sphinx = False
html_copy_source = False

myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"  # neither the prompt nor what came back

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
add_module_names = False
maximum_signature_line_length = 80

# What a docstring refers to within this package must be there. Airflow's own documentation is not asked.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!aep_provider\.).*")]
# Types in signatures that are nobody's to make.
nitpick_ignore = [
    # their fields have a page of their own
    ("py:class", "aep_provider.dataflows.spec.DataflowSpec"),
    ("py:class", "aep_provider.dataflows.spec.Recurrence"),
    ("py:class", "aep_provider.dataflows.spec.Schedule"),
    ("py:class", "aep_provider.links.Place"),
    ("py:class", "aep_provider.platform.client.AepAsyncClient"),
    ("py:class", "aep_provider.platform.client.AepClient"),
    ("py:class", "aep_provider.platform.settings.AepSettings"),
    ("py:class", "aep_provider.resources.ensure.Patience"),
    ("py:class", "aep_provider.resources.authentication.SourceLogin"),
    ("py:class", "aep_provider.resources.run_wait.Awaited"),
]
