"""Endpointing as live on a dialogue's recording, and which reference utterance each segment belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.corpora.manifest import ManifestRow


def one_recording(rows: Sequence[ManifestRow]) -> bool:
    """Whether a dialogue's rows are stretches, with both times, of one recording."""
    return rows[0].audio is not None and all(r.audio == rows[0].audio and r.end_s is not None for r in rows)


def stretch(dialogues: Sequence[Sequence[ManifestRow]], which: int) -> tuple[Path, float, float]:
    """(recording, from, to) in seconds of what the ears hear for one dialogue: the whole recording, or, where it holds
    other dialogues before or after, as far as half-way to these."""
    rows = dialogues[which]
    assert rows[0].audio is not None
    start, end = min(r.start_s for r in rows), max(r.end_s or 0.0 for r in rows)
    others = [r for i, d in enumerate(dialogues) if i != which for r in d if r.audio == rows[0].audio]
    before = [r.end_s for r in others if r.end_s is not None and r.end_s <= start]
    after = [r.start_s for r in others if r.start_s >= end]
    begin = (max(before) + start) / 2 if before else 0.0
    stop = (min(after) + end) / 2 if after else float("inf")
    return rows[0].audio, begin, stop


def match(
    segments: Sequence[tuple[float, float]], rows: Sequence[ManifestRow]
) -> tuple[list[int | None], dict[str, int]]:
    """For each reference utterance the segment whose label it gets, None = missed; and the counts.

    Each reference utterance gets the label of the segment that overlaps it longest, in seconds (the earlier one on a
    tie); with no overlap it is missed, and counts as wrong. Segments are (start, end) of their voiced part.

    So a segment over several utterances gives all of them its label, and of several segments in one utterance the
    longest counts. Insertions cannot make weighted F1 over the reference worse: they are counted beside it.

    "insertions": segments that overlap no reference utterance; "merged": reference utterances that share their segment
    with another; "split": segments that overlap a reference utterance but are nobody's choice.
    """
    segment_of: list[int | None] = []
    touched: set[int] = set()
    for row in rows:
        assert row.end_s is not None
        overlaps = [min(end, row.end_s) - max(start, row.start_s) for start, end in segments]
        touched |= {i for i, overlap in enumerate(overlaps) if overlap > 0}
        best = max(range(len(segments)), key=overlaps.__getitem__, default=None)
        segment_of.append(best if best is not None and overlaps[best] > 0 else None)
    chosen = [s for s in segment_of if s is not None]
    return segment_of, {
        "segments": len(segments),
        "missed": segment_of.count(None),
        "insertions": len(segments) - len(touched),
        "merged": sum(1 for s in chosen if chosen.count(s) > 1),
        "split": len(touched - set(chosen)),
    }
