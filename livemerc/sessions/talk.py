"""Who holds the floor: how much each speaker talks, how evenly that is shared, and how the floor changes hands.

After Heldner and Edlund 2010, "Pauses, gaps and overlaps in conversations", Journal of Phonetics 38(4): where another
speaker goes on, the time from the end of the one to the beginning of the other is a gap, or below 0 an overlap; speech
that lies wholly inside another's takes no floor. No gap is heard below a tenth of a second. It tells who took over
before the other had paused, not that anybody meant to interrupt: eager agreement looks the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

NO_GAP_S = 0.1
"""A shorter silence between two speakers is none."""
_SOMEBODY_MORE = object()
"""Who speaks in somebody's utterance, too: nobody knows who that is."""


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance; `speaker` None: nobody knows who. `overlaps`: from when to when others speak in it, too."""

    speaker: str | None
    start_s: float
    end_s: float
    overlaps: Sequence[tuple[float, float]] = ()


@dataclass(slots=True)
class Talk:
    """`talked_s`: seconds by speaker, the longest first. `taken`: how often each took the floor from another, and
    `at_once`: how often of that without a gap. `overlap_s`: seconds in which two or more speak."""

    talked_s: dict[str, float] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    at_once: dict[str, int] = field(default_factory=dict)
    overlap_s: float = 0.0

    def shares(self) -> dict[str, float]:
        """Of the time that somebody known talks; they sum to 1."""
        whole_s = sum(self.talked_s.values())
        return {speaker: talked_s / whole_s for speaker, talked_s in self.talked_s.items()} if whole_s else {}

    @property
    def balance(self) -> float | None:
        """Entropy of the shares, 1 = all talk equally long (Pielou 1966); None where fewer than two talk."""
        shares = [share for share in self.shares().values() if share > 0]
        if len(shares) < 2:
            return None
        return -sum(share * math.log(share) for share in shares) / math.log(len(shares))


def length_s(overlaps: Sequence[tuple[float, float]]) -> float:
    """Of all of them; none meets another."""
    return sum(end_s - start_s for start_s, end_s in overlaps)


def talk(said: Iterable[Said]) -> Talk:
    """Of utterances in any order. Nobody takes the floor from, or for, somebody unknown."""
    ordered = sorted(said, key=lambda one: (one.start_s, one.end_s))
    talked_s: dict[str, float] = {}
    found = Talk(overlap_s=_overlap_s(ordered))
    holder: Said | None = None
    for one in ordered:
        if one.speaker is not None:
            talked_s[one.speaker] = talked_s.get(one.speaker, 0.0) + max(0.0, one.end_s - one.start_s)
        if holder is not None and one.speaker != holder.speaker:
            if one.end_s <= holder.end_s:
                continue  # inside the other's: the floor stays where it is
            if one.speaker is not None and holder.speaker is not None:
                found.taken[one.speaker] = found.taken.get(one.speaker, 0) + 1
                if one.start_s - holder.end_s <= NO_GAP_S:
                    found.at_once[one.speaker] = found.at_once.get(one.speaker, 0) + 1
        if holder is None or one.speaker != holder.speaker or one.end_s > holder.end_s:
            holder = one
    found.talked_s = dict(sorted(talked_s.items(), key=lambda item: -item[1]))
    return found


def _overlap_s(ordered: Sequence[Said]) -> float:
    """Seconds in which two speakers or more speak, known or not. Who else speaks in an utterance is somebody more."""
    spans: list[tuple[float, float, object]] = [(one.start_s, one.end_s, one.speaker) for one in ordered]
    spans += [(start_s, end_s, _SOMEBODY_MORE) for one in ordered for start_s, end_s in one.overlaps]
    edges = sorted(
        [(start_s, 1, who) for start_s, _, who in spans] + [(end_s, -1, who) for _, end_s, who in spans],
        key=lambda edge: edge[:2],
    )
    open_now: dict[object, int] = {}
    total_s, last_s = 0.0, 0.0
    for at_s, step, speaker in edges:
        if len(open_now) > 1:
            total_s += at_s - last_s
        last_s = at_s
        open_now[speaker] = open_now.get(speaker, 0) + step
        if not open_now[speaker]:
            del open_now[speaker]
    return total_s
