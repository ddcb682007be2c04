"""Who speaks: one chain, live and offline, in blocks of any size; and what the events promise."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec
import pytest
from helpers.sources import Samples

from livemerc.config import Config, OverloadConfig
from livemerc.events import EmotionEvent, Event, UtteranceFinal, UtteranceSpeaker
from livemerc.pipeline.monitor import Monitor

SECONDS = 25.0


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    # a machine full of other work may be too slow for speech: that it then degrades is tested elsewhere
    slow = OverloadConfig(
        skip_partials_after_s=600, fast_asr_after_s=600, speech_only_after_s=600, unjudged_after_s=600
    )
    return msgspec.structs.replace(configured(asr__engine="none", speakers__diarize=True), overload=slow)


def events(config: Config, block_ms: float, *, live: bool) -> list[Event]:
    return list(Monitor(Samples(SECONDS, block_ms=block_ms, live=live), config).events())


def who(told: list[Event]) -> list[UtteranceFinal | UtteranceSpeaker]:
    return [event for event in told if isinstance(event, UtteranceFinal | UtteranceSpeaker)]


@pytest.fixture(scope="module")
def offline(config: Config) -> list[Event]:
    return events(config, 20.0, live=False)


def test_each_final_is_followed_by_its_speaker_who_freezes_once(offline: list[Event]) -> None:
    finals = {event.utterance_id: event for event in offline if isinstance(event, UtteranceFinal)}
    assert len(finals) >= 4
    for name, final in finals.items():
        mine = [e for e in offline if isinstance(e, UtteranceFinal | UtteranceSpeaker) and e.utterance_id == name]
        told = [e for e in mine if isinstance(e, UtteranceSpeaker)]
        assert mine[0] is final
        assert [e.status for e in told] == ["provisional", *["revised"] * (len(told) - 2), "frozen"]
        assert told[0].speaker == final.speaker
    assert any(final.speaker for final in finals.values())


def test_turns_lie_in_order_and_do_not_overlap(offline: list[Event]) -> None:
    finals = [event for event in offline if isinstance(event, UtteranceFinal)]
    assert all(a.end_s <= b.start_s + 1e-6 for a, b in itertools.pairwise(finals))
    judged = {e.utterance_id for e in offline if isinstance(e, EmotionEvent) and e.status == "frozen"}
    assert judged == {final.utterance_id for final in finals}


@pytest.mark.parametrize(("block_ms", "live"), [(10.0, False), (1000.0, False), (20.0, True)])
def test_live_and_offline_and_every_block_size_say_the_same(
    config: Config, offline: list[Event], block_ms: float, live: bool
) -> None:
    assert who(events(config, block_ms, live=live)) == who(offline)
