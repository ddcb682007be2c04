"""`livemerc label`: a person corrects a recorded session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from livemerc.errors import ConfigError


def label(
    directory: Path,
    /,
    *,
    order: Literal["time", "certainty"] | None = None,
    export: Annotated[Path | None, Parameter(name=("--export", "-o"), metavar="FILE")] = None,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    split: str | None = None,
) -> int:
    """Correct a recorded session with the keyboard: emotions, words, speakers; or write it as a manifest.

    Corrections are saved at once, beside the events (corrections.jsonl), which stay as they were.

    Parameters
    ----------
    directory
        The session's folder (`run --record`).
    order
        time (default), or certainty: the least certain first.
    export
        Write what a person has labelled as a manifest for `livemerc-train`, instead of opening the screen; an earlier
        file is replaced.
    everything
        --export: the model's labels for what nobody has labelled, too.
    split
        --export: what stands in the column split (default test).
    """
    if export is None and (everything or split is not None):
        raise ConfigError("--all and --split go with --export FILE; give it, or leave them out.")
    if export is not None and order is not None:
        raise ConfigError("--order goes with the screen, and --export opens none; leave one out.")
    from livemerc.dashboard.label import run as labelling
    from livemerc.sessions.folder import session_of

    directory = session_of(directory)
    if export is not None:
        return labelling.export(directory, export, everything=everything, split=split)
    return labelling.label(directory, least_certain_first=order == "certainty")
