"""Why recogniser or model gave no answer for an utterance, and the sentences that events tell of it."""

from __future__ import annotations

from enum import Enum, auto


class NoAnswer(Enum):
    """The same four for both parts."""

    FAILED = auto()
    """The call raised, or the part has failed so often that it is not asked any more."""
    HUNG = auto()
    """The call took longer than the part's `time_limit_s`."""
    BEHIND = auto()
    """The session is too far behind to wait."""
    STOPPED = auto()
    """The session is being stopped, and its time is up."""


GATED = {
    NoAnswer.FAILED: "not transcribed: the recogniser failed",
    NoAnswer.HUNG: "not transcribed: the recogniser does not answer",
    NoAnswer.BEHIND: "not transcribed in time",
    NoAnswer.STOPPED: "not transcribed: the session was stopped",
}
"""What `utterance.final` says in `asr.gated`."""

ABSTAINED = {
    NoAnswer.FAILED: "model failed",
    NoAnswer.HUNG: "model does not answer",
    NoAnswer.BEHIND: "behind: not judged",
    NoAnswer.STOPPED: "stopped before it was judged",
}
"""What `emotion` says in `abstained`."""
