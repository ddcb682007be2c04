"""The application that every command belongs to."""

from __future__ import annotations

from cyclopts import App, Parameter

from livemerc import __version__

app = App(
    name="livemerc",
    version=__version__,
    help="Streaming monitor of the emotions that people express in conversation.",
    help_format="plaintext",
    default_parameter=Parameter(negative=(), show_default=False),
)
