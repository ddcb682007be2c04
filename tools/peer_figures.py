"""The figures of `compare_peers.py`: what a peer's lines say of a recording whose words and times are known.

Nothing here knows how a peer is run. Definitions stand in `compare_peers.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from livemerc.asr.sidecar import Cue
from livemerc.bench.asr import edits
from livemerc.bench.measuring import percentiles
from livemerc.bench.vad import active_frames
from livemerc.notation import words

PAUSE_S = 0.4
RELEASE_S = 0.3
"""Behind the end of a cue speech may still sound."""


@dataclass
class Line:
    """What a peer printed, and when it arrived, s since the audio began."""

    at_s: float
    text: str
    final: bool
    utterance: str | None = None


@dataclass
class Log:
    """All lines of one peer over one recording. `judged_s`: when each utterance's emotion arrived."""

    lines: list[Line] = field(default_factory=list)
    judged_s: dict[str, float] = field(default_factory=dict)
    ready: bool = False

    def read(self, raw: str, at_s: float) -> None:
        """One line of the child's. Raises `ValueError` for what is no such line."""
        line = json.loads(raw)
        if line.get("ready"):
            self.ready = True
        elif "judged" in line:
            self.judged_s.setdefault(line["judged"], at_s)
        elif isinstance(line.get("text"), str) and isinstance(line.get("final"), bool):
            self.lines.append(Line(at_s, line["text"], line["final"], line.get("id")))
        else:
            raise ValueError(f"no line of an adapter: {raw.strip()[:80]}")


@dataclass
class Clip:
    """A recording, what was said in it, and when: the end of each word (`ends_s`, None = unknown), and of each stretch
    that ends in a pause (index after its last word, last voiced s)."""

    name: str
    samples: np.ndarray
    said: list[str]
    ends_s: list[float]
    stretches: list[tuple[int, float]]


def make_clip(name: str, samples: np.ndarray, cues: Sequence[Cue], heard: Sequence[tuple[str, float, float]]) -> Clip:
    """`heard`: words with start and end of the whole file, by a recogniser that knows times."""
    said = [word for cue in cues for word in words(cue.text)]
    timed = [(word, end_s) for text, _, end_s in heard for word in words(text)]
    stretches = pauses(samples, cues)
    pairs = aligned(said, [word for word, _ in timed])
    known = {i: timed[j][1] for i, j in pairs}
    ends_s = np.interp(range(len(said)), sorted(known), [known[i] for i in sorted(known)])
    begin = 0
    for stop, voiced_s in stretches:  # recognisers draw words out over the pause behind them
        ends_s[begin:stop] = np.minimum(ends_s[begin:stop], voiced_s)
        begin = stop
    return Clip(name, samples, said, [float(end) for end in ends_s], stretches)


def pauses(samples: np.ndarray, cues: Sequence[Cue]) -> list[tuple[int, float]]:
    """Stretches of speech: (index after the last word, last voiced s); the last one ends with the recording."""
    active = np.flatnonzero(active_frames(samples)) / 100
    out, count = [], 0
    for i, cue in enumerate(cues):
        count += len(words(cue.text))
        until_s = cue.end_s + RELEASE_S
        if i + 1 < len(cues):
            until_s = min(until_s, max(cue.end_s, cues[i + 1].start_s))
        before, after = active[active < until_s], active[active >= until_s]
        if len(before) and (i + 1 == len(cues) or (len(after) and after[0] - before[-1] >= PAUSE_S)):
            out.append((count, float(before[-1]) + 0.01))
    return out


def aligned(reference: Sequence[str], heard: Sequence[str], *, alike: bool = False) -> list[tuple[int, int]]:
    """Pairs of words that stand for each other, in the fewest edits; `alike`: only where they are the same."""
    import jiwer

    if not reference or not heard:
        return []
    chunks = jiwer.process_words(" ".join(reference), " ".join(heard)).alignments[0]
    kinds = ("equal",) if alike else ("equal", "substitute")
    return [
        (c.ref_start_idx + k, c.hyp_start_idx + k)
        for c in chunks
        if c.type in kinds
        for k in range(c.ref_end_idx - c.ref_start_idx)
    ]


def figures(clip: Clip, log: Log) -> dict[str, Any]:
    """`final_s`, `emotion_s`, `seen_s` (p50, p95, n; None = there were none), `missed`, `of` (stretches), `wer`."""
    settled = [(word, line) for line in log.lines if line.final for word in words(line.text)]
    by_word = {i: settled[j][1] for i, j in aligned(clip.said, [word for word, _ in settled])}
    final_s, emotion_s, missed, begin = [], [], 0, 0
    for stop, voiced_s in clip.stretches:
        lines = [by_word[i] for i in range(begin, stop) if i in by_word]
        begin = stop
        if not lines:
            missed += 1
            continue
        last = max(lines, key=lambda line: line.at_s)
        final_s.append(last.at_s - voiced_s)
        if last.utterance in log.judged_s:
            emotion_s.append(log.judged_s[last.utterance] - voiced_s)
    seen_s = [at_s - clip.ends_s[i] for i, at_s in first_seen(clip, log).items()]
    return {
        "final_s": _spread(final_s),
        "emotion_s": _spread(emotion_s),
        "seen_s": _spread(seen_s),
        "missed": missed,
        "of": len(clip.stretches),
        "wer": edits(clip.said, [word for word, _ in settled]).all / len(clip.said),
    }


def first_seen(clip: Clip, log: Log) -> dict[int, float]:
    """When each word was first on the screen as it was said, s; by its index."""
    seen: dict[int, float] = {}
    settled: list[str] = []
    for line in log.lines:
        shown = settled + words(line.text)
        spoken = [word for word, end_s in zip(clip.said, clip.ends_s, strict=True) if end_s - 1 <= line.at_s]
        for i, _ in aligned(spoken, shown, alike=True):
            seen.setdefault(i, line.at_s)
        if line.final:
            settled = shown
    return seen


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    return percentiles(values) if values else None
