"""The application with every command. A new command is a file in this room and a line here.

The help sorts by `sort_key`, then by name.
"""

from __future__ import annotations

from cyclopts import App, Parameter

from livemerc import __version__
from livemerc.commands.bench import bench
from livemerc.commands.compare import compare
from livemerc.commands.devices import devices
from livemerc.commands.doctor import doctor
from livemerc.commands.export import export
from livemerc.commands.label import label
from livemerc.commands.models import models_app
from livemerc.commands.notice import notice
from livemerc.commands.replay import replay
from livemerc.commands.report import report
from livemerc.commands.rerun import rerun
from livemerc.commands.run import run
from livemerc.commands.serve import serve
from livemerc.commands.sessions import sessions
from livemerc.commands.speakers import speakers_app
from livemerc.commands.watch import watch

app = App(
    name="livemerc",
    version=__version__,
    help="Streaming monitor of the emotions that people express in conversation.",
    help_format="plaintext",
    default_parameter=Parameter(negative=(), show_default=False),
)
app.command(run, sort_key=1)
app.command(devices, sort_key=2)
app.command(doctor, sort_key=3)
for command in (compare, export, label, notice, replay, report, rerun, serve, sessions, watch):
    app.command(command, sort_key=4)
app.command(bench, sort_key=5)
app.command(models_app)
app.command(speakers_app)
