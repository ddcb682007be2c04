"""Words of an utterance that still goes on: what is shown of one hypothesis after the other, so that it can be read.

A recogniser that looks again and again changes its mind mostly about the newest words. Those on which two looks in a
row agree are stable: they are never taken back while the utterance is open (local agreement, Liu et al. 2020). A pause
behind enough of them makes all words before it stable, and later looks begin there: a look takes no longer the longer
somebody speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from livemerc.audio.items import Speech, Utterance
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.notation import words

_IDLE_TIMES = 2.0
"""A look comes no sooner than so many times what it takes, so that the recogniser is free half of the time."""
_MOST_CHANGED = 0.5
"""A look that hears more than this share of the stable words differently is left out: it went wrong."""
_SETTLED_S = 4.0
"""A look at less is not worth sparing, and a recogniser that hears less knows less."""
_ROUNDING_S = 0.001
_FORGOTTEN_AFTER_S = 60.0


@dataclass(slots=True)
class _Open:
    """An open utterance. Words as they were shown last: `settled` before its last pause, `stable` and `rest` since."""

    looked_s: float
    settled: list[str] = field(default_factory=list)
    settled_samples: int = 0
    stable: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)


class Hypotheses:
    """`due` says whether to look, `shown` what to show of what was heard. For one thread."""

    def __init__(self, every_s: float) -> None:
        """`every_s`: source time between two looks at an utterance."""
        self._every_s = every_s
        self._open: dict[tuple[str | None, float], _Open] = {}

    def due(self, speech: Speech, takes_s: float) -> bool:
        """Whether it is time to look again at that utterance; if so, it counts as done. takes_s: what it will take."""
        known = self._open.get(_key(speech))
        if known is None:
            # As many as speak at once; those that are over go when others come.
            self._open = {k: one for k, one in self._open.items() if speech.t_s - one.looked_s < _FORGOTTEN_AFTER_S}
            self._open[_key(speech)] = _Open(speech.t_s)
            return True
        if speech.t_s - known.looked_s < max(self._every_s, _IDLE_TIMES * takes_s) - _ROUNDING_S:
            return False
        known.looked_s = speech.t_s
        return True

    def unsettled(self, speech: Speech | Utterance) -> np.ndarray:
        """(n,) of its samples: those since the last pause before which all words are settled."""
        known = self._open.get(_key(speech))
        return speech.samples[0 if known is None else known.settled_samples :]

    def shown(self, speech: Speech, text: str) -> str:
        """The settled and stable words and what the look `text` at `unsettled` hears after them; "" where there is
        nothing new to show."""
        known = self._open.setdefault(_key(speech), _Open(speech.t_s))
        return self._shown(known, known.stable, text)

    def pause(self, utterance: Utterance, text: str, *, whole: bool) -> str:
        """As `shown`, for an utterance that has perhaps ended; then its words are settled, if they are enough. whole:
        `text` is all of it, not only what was `unsettled`."""
        known = self._open.setdefault(_key(utterance), _Open(utterance.decided_s))
        known.looked_s = utterance.decided_s
        shown = self._shown(known, [*known.settled, *known.stable] if whole else known.stable, text)
        if shown and len(utterance.samples) - known.settled_samples >= _SETTLED_S * SAMPLE_RATE_HZ:
            known.settled, known.stable, known.rest = shown.split(), [], []
            known.settled_samples = len(utterance.samples)
        return shown

    def _shown(self, known: _Open, said: Sequence[str], text: str) -> str:
        """said: what the look should hear first."""
        looked = text.split()
        if not looked:
            return ""
        end = _end_of(said, looked)
        if end is None:
            known.rest = []
            return ""
        rest = looked[end:]
        agreed = _agreed(known.rest, rest)
        known.stable += rest[:agreed]
        known.rest = rest[agreed:]
        return " ".join((*known.settled, *known.stable, *known.rest))

    def stable(self, speech: Speech) -> str:
        """Those of its words that will not be taken back."""
        known = self._open.get(_key(speech))
        return "" if known is None else " ".join((*known.settled, *known.stable))


def _key(speech: Speech | Utterance) -> tuple[str | None, float]:
    """Ids will not do: one goes to the next utterance where nothing came of its own, and to whoever ends first."""
    return speech.speaker, speech.start_s


def _agreed(before: Sequence[str], now: Sequence[str]) -> int:
    """How many words two looks begin with alike. Case and punctuation do not count, but for a look's last word: its
    full stop may only be the end of what was there to hear."""
    shorter = min(len(before), len(now))
    for i in range(shorter):
        last = i + 1 in (len(before), len(now))
        if before[i] != now[i] and (last or words(before[i]) != words(now[i])):
            return i
    return shorter


def _end_of(stable: Sequence[str], looked: Sequence[str]) -> int | None:
    """How many words of `looked` the stable ones stand for: where they fit best (Levenshtein), preferably as many. None
    where they fit badly."""
    row = list(range(len(looked) + 1))
    for i, said in enumerate(stable, start=1):
        above, row[0] = row[0], i
        for j, heard in enumerate(looked, start=1):
            changed = above + (words(said) != words(heard))
            above = row[j]
            row[j] = min(changed, above + 1, row[j - 1] + 1)
    end = min(range(len(row)), key=lambda j: (row[j], abs(j - len(stable))))
    return end if row[end] <= _MOST_CHANGED * len(stable) else None
