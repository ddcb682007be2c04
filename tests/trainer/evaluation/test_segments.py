"""Whose utterance a segment of the ears is, and which part of a recording they hear for a dialogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import wav_file as wav
from helpers.synthetic import RATE_HZ, buzz
from hypothesis import given
from hypothesis import strategies as st

from livemerc.audio.items import Utterance
from livemerc.config import Config, VadConfig
from trainer.corpora.manifest import ManifestRow
from trainer.corpora.recordings import hear
from trainer.evaluation.segments import match, one_recording, stretch

CALL = Path("call.wav")


def row(start_s: float, end_s: float | None, audio: Path | None = CALL) -> ManifestRow:
    return ManifestRow(
        dialogue_id="d", utterance_id=f"{start_s}", speaker=None, text="words", audio=audio, start_s=start_s,
        end_s=end_s, emotion="joy", sentiment=None, where="m.csv, line 2", line=2, split="",
    )  # fmt: skip


def test_an_utterance_gets_the_segment_that_overlaps_it_longest() -> None:
    rows = [row(0, 2), row(3, 5), row(10, 11)]
    segment_of, counts = match([(0.2, 1.0), (1.2, 1.9), (2.5, 4.9), (6, 7)], rows)
    assert segment_of == [0, 2, None]
    assert counts == {"segments": 4, "missed": 1, "insertions": 1, "merged": 0, "split": 1}


def test_a_segment_over_two_utterances_is_the_label_of_both() -> None:
    segment_of, counts = match([(0.1, 5.2)], [row(0, 2), row(3, 5)])
    assert segment_of == [0, 0]
    assert counts == {"segments": 1, "missed": 0, "insertions": 0, "merged": 2, "split": 0}


def test_touching_is_no_overlap_and_a_tie_goes_to_the_earlier() -> None:
    assert match([(0, 1), (2, 3)], [row(1, 2)])[0] == [None]
    assert match([(0, 1.5), (1.5, 3)], [row(1, 2)])[0] == [0]
    assert match([], [row(1, 2)])[1]["missed"] == 1


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 5)), max_size=8),
    st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 5)), min_size=1, max_size=8),
)
def test_every_segment_is_chosen_split_or_inserted(
    segments: list[tuple[float, float]], said: list[tuple[float, float]]
) -> None:
    segment_of, counts = match([(s, s + d) for s, d in segments], [row(s, s + d) for s, d in said])
    chosen = {s for s in segment_of if s is not None}
    assert len(chosen) + counts["split"] + counts["insertions"] == counts["segments"] == len(segments)
    for number, (start, length) in zip(segment_of, said, strict=True):
        overlaps = [min(s + d, start + length) - max(s, start) for s, d in segments]
        best = max(overlaps, default=0.0)
        assert (number is None) == (best <= 0)
        assert number is None or overlaps[number] == best


def test_a_dialogue_is_one_recording_if_every_row_is_a_timed_part_of_it() -> None:
    assert one_recording([row(0, 1), row(1, 2)])
    assert not one_recording([row(0, 1), row(1, None)])
    assert not one_recording([row(0, 1), row(1, 2, Path("other.wav"))])
    assert not one_recording([row(0, 1, None), row(1, 2, None)])


def test_the_ears_hear_half_way_to_the_neighbouring_dialogue() -> None:
    dialogues = [[row(1, 2), row(3, 4)], [row(8, 9), row(10, 12)], [row(20, 21)], [row(5, 6, Path("other.wav"))]]
    assert stretch(dialogues, 0) == (CALL, 0.0, 6.0)
    assert stretch(dialogues, 1) == (CALL, 6.0, 16.0)
    assert stretch(dialogues, 2) == (CALL, 16.0, float("inf"))
    assert stretch(dialogues, 3) == (Path("other.wav"), 0.0, float("inf"))


BUZZ = Config(vad=VadConfig(engine="webrtc"))
"""Silero knows that a buzz is no voice."""


@pytest.mark.parametrize(
    ("begin_s", "stop_s", "expected"), [(0.0, 99.0, [0, 3, 6]), (2.5, 99.0, [3, 6]), (2.5, 5.5, [3])]
)
def test_times_of_a_part_are_those_of_the_recording(
    tmp_path: Path, begin_s: float, stop_s: float, expected: list[int]
) -> None:
    quiet = np.zeros(2 * RATE_HZ, np.float32)
    samples = np.concatenate([x for seed in (1, 2, 3) for x in (buzz(1.0, seed=seed), quiet)])
    path = wav.write(tmp_path / "three.wav", samples, RATE_HZ)  # voiced at 0-1, 3-4 and 6-7 s
    found = [i for i in hear(BUZZ, path, begin_s, stop_s) if isinstance(i, Utterance)]
    assert [round(u.start_s) for u in found] == expected
    assert all(0.7 < u.end_s - u.start_s < 1.3 for u in found)
