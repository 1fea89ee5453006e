# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""How Sphinx makes the documentation: the guides beside this file, and pages of modules and roles made by antsibull."""

project = "llm_d.gke"
author = "the llm_d.gke contributors"
project_copyright = f"2026, {author}"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
html_theme = "furo"
html_title = project
exclude_patterns = ["requirements.txt"]
# Links from guide to guide are relative, so that they work where the repository is read, too.
myst_heading_anchors = 4
# The guides point at files of the repository, which are not pages.
suppress_warnings = ["myst.xref_missing"]
nitpicky = False
default_role = "any"
