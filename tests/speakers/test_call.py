"""Two women on one telephone line, 30 s, through the ears: who speaks is told by the voice alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from livemerc.audio.ears import Ears
from livemerc.audio.items import EarItem, Utterance
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block
from livemerc.config import SAMPLE_RATE_HZ, Config, SpeakersConfig
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.pipeline.who_speaks import WhoSpeaks
from livemerc.runtime.worker import GiveUp, never

T = TypeVar("T")
FIRST, SECOND = (12.5, 20.5, 29.0), (16.0, 24.0)
"""Seconds in which one speaks alone, for a second around: sample.rttm."""


class AtOnce:
    def run(self, work: Callable[[], T], give_up: GiveUp[NoAnswer]) -> T:
        return work()


@pytest.fixture(scope="module")
def turns(shared_data: Path) -> list[tuple[Utterance, str | None]]:
    """Each turn with its frozen speaker."""
    config = Config(speakers=SpeakersConfig(diarize=True))
    samples = read_samples(shared_data / "speech" / "call" / "sample.flac", SAMPLE_RATE_HZ)
    ears, who = Ears(config, SAMPLE_RATE_HZ), WhoSpeaks(config, AtOnce())
    items: list[EarItem] = [*ears.feed(Block(samples, 0.0)), *ears.flush()]
    heard = [turn for item in items if isinstance(item, Utterance) for turn in who.turns(item, never)]
    told = [event for turn in heard for event in who.hear(turn.utterance_id, turn.samples, None, never).told]
    frozen = {e.utterance_id: e.speaker for e in [*told, *who.freeze_all()] if e.status == "frozen"}
    return [(turn, frozen[turn.utterance_id]) for turn in heard]


def at(turns: list[tuple[Utterance, str | None]], t_s: float) -> tuple[Utterance, str | None]:
    return next((turn, speaker) for turn, speaker in turns if turn.start_s <= t_s <= turn.end_s)


def test_two_women_are_two_speakers(turns: list[tuple[Utterance, str | None]]) -> None:
    first, second = ({at(turns, t_s)[1] for t_s in times} for times in (FIRST, SECOND))
    assert len(first) == len(second) == 1
    assert first != second
    assert None not in first | second


def test_where_one_takes_over_from_the_other_without_a_pause_the_utterance_is_cut(
    turns: list[tuple[Utterance, str | None]],
) -> None:
    for before_s, after_s in ((13.5, 15.5), (26.5, 29.0)):
        assert at(turns, before_s)[0] is not at(turns, after_s)[0]


def test_turns_of_an_utterance_are_numbered_follow_on_each_other_and_keep_all_samples(
    turns: list[tuple[Utterance, str | None]],
) -> None:
    of: dict[str, list[Utterance]] = {}
    for turn, _ in turns:
        of.setdefault(turn.utterance_id.split(".")[0], []).append(turn)
    assert max(map(len, of.values())) > 1
    for name, mine in of.items():
        assert [turn.utterance_id for turn in mine] == [name, *(f"{name}.{n}" for n in range(2, len(mine) + 1))]
        for one, other in itertools.pairwise(mine):
            assert one.samples_start_s + len(one.samples) / SAMPLE_RATE_HZ == pytest.approx(other.samples_start_s)
            assert one.end_s <= other.start_s + 1e-6
