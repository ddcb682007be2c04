"""The sessions in a folder, each in a few figures: what `livemerc sessions` lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from livemerc.errors import InputError, cause_of
from livemerc.events import SessionEnd, SessionStart, Status, UtteranceFinal
from livemerc.sessions.folder import SessionInfo, audio_path, being_recorded, folder_name, holds_session
from livemerc.sessions.journal import Journal, read


@dataclass(frozen=True, slots=True)
class Summary:
    """One session of a list. In state "broken" all but its name is unknown."""

    name: str
    state: Literal["recording", "whole", "cut short", "broken"]
    started_at: str = ""
    """ISO 8601, UTC."""
    duration_s: float = 0.0
    utterances: int = 0
    source: str = ""
    audio: Literal["yes", "no", "refused"] = "no"
    broken: str | None = None
    """What a person must know of it: what is damaged or refused, or that it should have been deleted."""


def summaries(folder: Path) -> Iterator[Summary]:
    """The sessions in `folder`, by name; `folder` itself where it is one. Raises `InputError`."""
    if holds_session(folder):
        yield summary(folder)
        return
    try:
        children = sorted(folder.iterdir())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: this folder cannot be listed ({cause_of(error)}); check the path.") from error
    for child in children:
        if holds_session(child):
            yield summary(child)


def summary(folder: Path) -> Summary:
    """Of one session's folder. One that cannot be read has state "broken" and the reason."""
    try:
        journal = read(folder)
    except InputError as error:
        return Summary(folder_name(folder), state="broken", broken=str(error))
    finals = [event for event in journal.events if isinstance(event, UtteranceFinal)]
    end = next((event for event in journal.events if isinstance(event, SessionEnd)), None)
    start = next((event for event in journal.events if isinstance(event, SessionStart)), None)
    info = journal.info
    audio: Literal["yes", "no", "refused"] = "no"
    broken = None
    if info is not None and info.audio is not None:
        try:
            audio = "yes" if audio_path(folder, info) else "no"
        except InputError as error:
            audio, broken = "refused", str(error)
    if broken is None:
        broken = journal.warnings[0] if journal.warnings else _overdue(info)
    return Summary(
        name=folder_name(folder),
        started_at=info.started_at if info is not None else start.started_at if start is not None else "",
        duration_s=end.duration_s if end is not None else _last_s(journal),
        utterances=len(finals),
        source=info.source if info is not None else start.source if start is not None else "",
        audio=audio,
        state="recording" if being_recorded(folder) else "whole" if journal.ended else "cut short",
        broken=broken,
    )


def _overdue(info: SessionInfo | None) -> str | None:
    """A sentence where the session was to be deleted by now."""
    if info is None or info.retention_days is None:
        return None
    try:
        until = datetime.fromisoformat(info.started_at) + timedelta(days=info.retention_days)
        if until > datetime.now(until.tzinfo):
            return None
    except (ValueError, OverflowError):
        return None
    return f"was to be kept for {info.retention_days} days, until {until:%Y-%m-%d}; delete it."


def _last_s(journal: Journal) -> float:
    """How far the events of a session without an end go."""
    ends_s = [event.end_s for event in journal.events if isinstance(event, UtteranceFinal)]
    times_s = [event.t_s for event in journal.events if isinstance(event, Status)]
    return max(ends_s + times_s, default=0.0)
