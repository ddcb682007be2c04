"""`livemerc models`: the models on this machine, and fetching one."""

from __future__ import annotations

from cyclopts import App

from livemerc.errors import EXIT_OK

models_app = App(name="models", help="List the Whisper models and the checkpoint on this machine, or fetch a model.")


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
