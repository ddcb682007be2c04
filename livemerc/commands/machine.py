"""`livemerc devices`, `doctor` and `models`: what this machine has."""

from __future__ import annotations

import sys

from cyclopts import App

from livemerc.commands.root import app
from livemerc.errors import EXIT_OK, MicrophoneError

models_app = App(name="models", help="List the Whisper models and the checkpoint on this machine, or fetch a model.")
app.command(models_app)


@app.command(sort_key=2)
def devices() -> int:
    """List the microphones with the names and indexes that `run --mic` takes."""
    from livemerc.audio.microphone.devices import far_side_hint, list_inputs

    inputs = list_inputs()
    if not inputs:
        raise MicrophoneError("No microphone was found; connect one and check the system's sound settings.")
    for device in inputs:
        print(device)
    if not any(device.monitor for device in inputs):
        print(f"livemerc: {far_side_hint()}", file=sys.stderr)
    return EXIT_OK


@app.command(sort_key=3)
def doctor(*, json: bool = False) -> int:
    """Check this machine and say how to mend what is missing; exit 3 when livemerc cannot run at all.

    Parameters
    ----------
    json
        The findings as one JSON object.
    """
    from livemerc import doctor as room

    return room.main(json=json)


@models_app.default
def models() -> int:
    """List the Whisper models on this machine and the emotion checkpoint."""
    from livemerc.doctor import model_lines

    for line in model_lines():
        print(line)
    return EXIT_OK


@models_app.command
def pull(name: str, /) -> int:
    """Fetch a Whisper model once, so that it can be used offline afterwards.

    Parameters
    ----------
    name
        Whisper size, for instance base.
    """
    from livemerc.console.download_bar import pull_with_bar

    print(f"{name}: {pull_with_bar(name)}")
    return EXIT_OK
