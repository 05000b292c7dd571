"""Sphinx's configuration of the documentation's site."""

from __future__ import annotations

from ftl import __version__

project = "FTL"
author = "FTL's developers"
release = __version__
html_title = f"FTL {release}"

extensions = ["myst_parser"]
myst_heading_anchors = 4  # as GitHub makes them: `docs/` is read there too
myst_enable_extensions = ["attrs_inline"]  # `[]{#name}`, an anchor within a paragraph
suppress_warnings = ["myst.header"]  # a decision begins below the title that its number gives it

html_theme = "furo"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
highlight_language = "none"  # a fence without a language is a terminal's output
