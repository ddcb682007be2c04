"""One chain: offline in one thread, live in three. The same samples give the same finals and emotions, in order."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from helpers.scripted_parts import no_thread_stays
from helpers.settled import settled
from helpers.sources import Samples

from livemerc.audio.source import Block, Source
from livemerc.config import Config, OverloadConfig
from livemerc.errors import InputError
from livemerc.events import EmotionEvent, Event, LabelShift, SessionEnd, SessionStart, UtteranceFinal
from livemerc.model.checkpoint import MANIFEST, Abstention, Manifest
from livemerc.pipeline.monitor import Monitor

SECONDS = 25.0


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


def run(source: Source, config: Config) -> list[Event]:
    return list(Monitor(source, config).events())


def test_live_and_offline_and_every_block_size_give_the_same_events(config: Config) -> None:
    reference = settled(run(Samples(SECONDS, block_ms=20.0, live=False), config))
    assert sum(isinstance(e, UtteranceFinal) for e in reference) >= 4
    for block_ms, live in ((10.0, False), (1000.0, False), (20.0, True), (333.0, True)):
        events = run(Samples(SECONDS, block_ms=block_ms, live=live), config)
        assert settled(events) == reference, (block_ms, live)
        assert isinstance(events[0], SessionStart)
        assert isinstance(events[-1], SessionEnd)


def test_live_and_offline_shifts_have_the_same_causes_and_come_after_their_labels(
    config: Config, checkpoint: Path, tmp_path: Path
) -> None:
    sure = shutil.copytree(checkpoint, tmp_path / "sure")
    manifest = msgspec.json.decode((sure / MANIFEST).read_bytes(), type=Manifest)
    changed = msgspec.structs.replace(manifest, abstention=Abstention(min_confidence=0.0))
    (sure / MANIFEST).write_bytes(msgspec.json.encode(changed))
    config = msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, checkpoint=str(sure)))
    offline, live = (run(Samples(SECONDS, block_ms=20.0, live=x), config) for x in (False, True))
    shifts = [event for event in offline if isinstance(event, LabelShift)]
    assert shifts
    assert [event for event in live if isinstance(event, LabelShift)] == shifts
    for events in (offline, live):
        at = {e.utterance_id: i for i, e in enumerate(events) if isinstance(e, EmotionEvent) and e.status == "frozen"}
        assert all(at[e.utterance_id] < i for i, e in enumerate(events) if isinstance(e, LabelShift))
    assert settled(offline) == settled(live)


def test_a_real_recogniser_gives_the_same_words_live_and_offline(config: Config) -> None:
    config = msgspec.structs.replace(
        config,
        asr=msgspec.structs.replace(config.asr, engine="faster-whisper"),
        # a machine full of other work may be too slow for speech: that it then degrades is tested elsewhere
        overload=OverloadConfig(skip_partials_after_s=600, fast_asr_after_s=600, speech_only_after_s=600),
    )
    offline, live = (settled(run(Samples(SECONDS, block_ms=20.0, live=x), config)) for x in (False, True))
    assert offline == live
    assert any(isinstance(e, UtteranceFinal) and e.text for e in offline)


def test_stopping_flushes_what_was_heard_and_leaves_no_thread(config: Config) -> None:
    source = Samples(SECONDS, block_ms=20.0, live=True, endless=True)
    monitor = Monitor(source, config)
    heard = []
    for event in monitor.events():
        heard.append(event)
        if isinstance(event, UtteranceFinal) and event.utterance_id == "u2":
            monitor.stop()
            monitor.stop()
    assert isinstance(heard[-1], SessionEnd)
    finals = [e.utterance_id for e in heard if isinstance(e, UtteranceFinal)]
    frozen = [e.utterance_id for e in heard if isinstance(e, EmotionEvent) and e.status == "frozen"]
    assert sorted(finals) == sorted(frozen)
    no_thread_stays()


def test_stopping_before_anything_was_heard_still_starts_and_ends_the_session(config: Config) -> None:
    monitor = Monitor(Samples(SECONDS, block_ms=20.0, live=True, endless=True), config)
    monitor.stop()
    events = list(monitor.events())
    assert next(type(e) for e in events if not isinstance(e, UtteranceFinal | EmotionEvent)) is SessionStart
    assert isinstance(events[-1], SessionEnd)


@pytest.mark.parametrize("live", [False, True])
def test_a_reader_that_leaves_takes_the_threads_with_it(config: Config, live: bool) -> None:
    events = Monitor(Samples(SECONDS, block_ms=20.0, live=live, endless=True), config).events()
    next(e for e in events if isinstance(e, UtteranceFinal))
    events.close()
    no_thread_stays()


@pytest.mark.parametrize("live", [False, True])
def test_a_source_that_fails_costs_nothing_that_was_heard(config: Config, live: bool) -> None:
    """Not even the utterance that was open when it died."""
    reference = settled(run(Samples(SECONDS, block_ms=20.0, live=live), config))
    seen: list[Event] = []
    events = Monitor(Samples(SECONDS, block_ms=20.0, live=live, fail=True), config).events()
    with pytest.raises(InputError, match="cable"):
        seen.extend(events)
    assert settled(seen) == reference
    assert isinstance(seen[-1], SessionEnd)


def test_later_audio_changes_no_frozen_label(config: Config) -> None:
    source = Samples(SECONDS, block_ms=20.0, live=False)
    whole = run(source, config)
    changed = Samples(SECONDS, block_ms=20.0, live=False)
    rng = np.random.default_rng(0)
    cut_s = 15.0
    changed._blocks = [
        b if b.start_s < cut_s else Block((0.1 * rng.standard_normal(len(b.samples))).astype(np.float32), b.start_s)
        for b in changed._blocks
    ]
    other = run(changed, config)

    def frozen_before(events: list[Event]) -> list[Event]:
        """Frozen by an utterance that had ended well before the cut."""
        out: list[Event] = []
        for event in settled(events):
            if isinstance(event, UtteranceFinal) and event.end_s > cut_s - 1.0:
                return out
            out.append(event)
        return out

    before = frozen_before(whole)
    assert any(isinstance(e, EmotionEvent) and e.status == "frozen" for e in before)
    assert before == frozen_before(other)


def test_a_live_session_judges_open_utterances_and_says_the_same_at_their_end(config: Config) -> None:
    """Partial estimates come before their utterance's final, and only where somebody listens live."""
    config = msgspec.structs.replace(
        config, live=msgspec.structs.replace(config.live, partial_emotion_budget_ms=10_000)
    )  # a busy machine is slow
    offline, live = (run(Samples(SECONDS, block_ms=20.0, live=x), config) for x in (False, True))
    assert settled(offline) == settled(live)
    partials = {
        kind: [e for e in events if isinstance(e, EmotionEvent) and e.status == "partial"]
        for kind, events in (("offline", offline), ("live", live))
    }
    assert partials["offline"] == []
    seen: set[str] = set()
    for event in live:
        if isinstance(event, UtteranceFinal):
            seen.add(event.utterance_id)
        elif isinstance(event, EmotionEvent) and event.status == "partial":
            assert event.utterance_id not in seen
            assert event.modality.text is None
    # How many depends on how fast the samples came; the source here is as fast as its reader.
    assert {e.utterance_id for e in partials["live"]} <= seen
