"""`livemerc models`: the models on this machine, and fetching one."""

from __future__ import annotations

from cyclopts import App

from livemerc.errors import EXIT_OK, say

models_app = App(
    name="models",
    help="List the Whisper models, the speaker embedders and the checkpoint on this machine, or fetch a model.",
)


@models_app.default
def models() -> int:
    """List the Whisper models on this machine, the speaker embedders and the emotion checkpoint."""
    from livemerc.doctor import model_lines

    for line in model_lines():
        print(line)
    return EXIT_OK


@models_app.command
def pull(name: str, /) -> int:
    """Fetch a Whisper model or a speaker embedder once, so that it can be used offline afterwards.

    Parameters
    ----------
    name
        Whisper size, for instance base; or speaker or speaker-campplus, WeSpeaker's ResNet34 or CAM++ for
        `speakers.embedder` (docs/speakers.md).
    """
    from livemerc.console.download_bar import with_bar
    from livemerc.speakers import models as embedders

    if name in embedders.PUBLISHED:
        model = embedders.PUBLISHED[name]
        file = with_bar(model.title, lambda progress: embedders.pull(name, progress))
        print(f"{name}: {file} ({embedders.LICENCE})")
        if lacks := embedders.lacking(file, name):
            say(lacks)
        return EXIT_OK
    from livemerc.asr.models import pull as pull_whisper

    print(f"{name}: {with_bar(f'Whisper {name}', lambda progress: pull_whisper(name, progress))}")
    return EXIT_OK
