"""The endpointer alone: probabilities in, utterances out. Every frame is 20 ms."""

from __future__ import annotations

import dataclasses
from collections.abc import Container
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemerc.audio.endpoint import Endpointer
from livemerc.audio.items import Dropped, EarItem, Ending, Onset, Quiet, Speech, Utterance
from livemerc.config import EndpointConfig

FRAME_S = 0.02
SIZE = 320


def run(
    pattern: list[tuple[float, int]],
    config: EndpointConfig | None = None,
    snapshot_every_s: float | None = None,
    *,
    endings: bool = False,
    powers: np.ndarray | None = None,
    sounding: Container[int] = (),
) -> list[EarItem]:
    """`pattern`: stretches of (probability, frames). All samples of frame i have the value i: none is anonymous."""
    endpointer = Endpointer(config or EndpointConfig(), FRAME_S, 10.0, snapshot_every_s, endings=endings)
    items: list[EarItem] = []
    index = 0
    for probability, count in pattern:
        for _ in range(count):
            samples = np.full(SIZE, index if powers is None else powers[index], np.float32)
            times = index * FRAME_S, (index + 1) * FRAME_S
            items += endpointer.step(samples, probability, *times, sounding=index in sounding)
            index += 1
    return items + endpointer.interrupt(index * FRAME_S)


def finals(items: list[EarItem]) -> list[Utterance]:
    return [item for item in items if isinstance(item, Utterance)]


def test_start_and_end_are_the_voiced_frames_and_the_samples_reach_further():
    (utterance,) = finals(run([(0, 50), (1, 50), (0, 50)]))
    assert utterance.start_s == pytest.approx(1.0)
    assert utterance.end_s == pytest.approx(2.0)
    assert utterance.samples_start_s == pytest.approx(0.7)  # pre-roll 300 ms
    assert utterance.decided_s == pytest.approx(2.4)  # hangover 400 ms
    assert utterance.samples.dtype == np.float32
    assert utterance.samples[0] == 35
    assert utterance.samples[-1] == 104  # tail 100 ms
    assert len(utterance.samples) == 70 * SIZE
    assert not utterance.forced_cut


def test_the_onset_comes_before_the_final_with_the_same_id_and_start():
    items = run([(0, 50), (1, 50), (0, 50), (1, 30), (0, 30)])
    assert [type(item) for item in items] == [Onset, Utterance, Onset, Utterance]
    assert [item.utterance_id for item in items] == ["u1", "u1", "u2", "u2"]
    assert items[0].start_s == items[1].start_s


def test_a_pause_shorter_than_the_hangover_joins_and_a_longer_one_parts():
    assert len(finals(run([(1, 30), (0, 15), (1, 30), (0, 40)]))) == 1
    assert len(finals(run([(1, 30), (0, 25), (1, 30), (0, 40)]))) == 2


def test_a_long_utterance_ends_at_a_shorter_pause():
    assert len(finals(run([(1, 300), (0, 12), (1, 30), (0, 40)]))) == 2
    assert len(finals(run([(1, 200), (0, 12), (1, 30), (0, 40)]))) == 1


def test_a_click_opens_nothing_and_flicker_does_not_prolong():
    assert run([(0, 50), (1, 2), (0, 50)]) == []
    (utterance,) = finals(run([(1, 50), (0, 10), (1, 1), (0, 10), (1, 1), (0, 40)]))
    assert utterance.end_s == pytest.approx(1.0)


def test_hysteresis_a_middling_probability_keeps_open_but_does_not_open():
    assert run([(0.4, 100)]) == []
    (utterance,) = finals(run([(1, 20), (0.4, 50), (0, 40)]))
    assert utterance.end_s == pytest.approx(70 * FRAME_S)


def test_a_weak_frame_behind_speech_belongs_to_it_and_makes_nobody_wait_longer():
    (plain,) = finals(run([(1, 50), (0, 50)]))
    (weak,) = finals(run([(1, 50), (0.1, 10), (0, 40)]))
    assert plain.end_s == pytest.approx(1.0)
    assert weak.end_s == pytest.approx(1.2)
    assert weak.decided_s == plain.decided_s
    assert len(weak.samples) == 60 * SIZE  # the tail of 100 ms is within them
    (held,) = finals(run([(1, 50), (0.1, 100)]))
    assert held.end_s == pytest.approx(1.3)  # hold_ms
    assert held.decided_s == plain.decided_s


def test_a_long_utterance_does_not_end_while_speech_is_half_likely_but_at_a_breath():
    closure = [(1, 300), (0.2, 10), (1, 50), (0, 40)]  # longer than as `long_hangover_ms`: the x of "Texas"
    assert len(finals(run(closure))) == 1
    assert len(finals(run([(1, 300), (0.1, 12), (1, 50), (0, 40)]))) == 2


def test_a_click_does_not_grow_into_an_utterance_by_weak_frames():
    items = run([(0, 50), (1, 7), (0.1, 40), (0, 40)])
    assert [type(item) for item in items] == [Onset, Dropped]


def test_the_sound_beside_voiced_frames_belongs_to_the_utterance_as_far_as_its_samples_reach():
    """A consonant before, a release behind; the samples and the decision are the same."""
    pattern = [(0.0, 50), (1.0, 50), (0.0, 50)]
    (silent,) = finals(run(pattern, powers=np.ones(150, np.float32)))
    (sounding,) = finals(run(pattern, powers=np.ones(150, np.float32), sounding=range(44, 200)))
    assert sounding.start_s == pytest.approx(0.88)
    assert sounding.end_s == pytest.approx(2.1)  # tail 100 ms
    assert np.array_equal(sounding.samples, silent.samples)
    assert sounding.decided_s == silent.decided_s
    weak = np.ones(150, np.float32)
    weak[:50] = 0.01  # 40 dB down: a room, no consonant
    (room,) = finals(run(pattern, powers=weak, sounding=range(200)))
    assert room.start_s == silent.start_s


def test_too_short_is_dropped_and_its_id_goes_to_the_next():
    items = run([(0, 20), (1, 7), (0, 40), (1, 40), (0, 40)])
    assert [type(item) for item in items] == [Onset, Dropped, Onset, Utterance]
    assert [item.utterance_id for item in items] == ["u1"] * 4


def test_pre_roll_never_reaches_into_the_voiced_frames_before():
    config = EndpointConfig(hangover_ms=100, pre_roll_ms=1000)
    first, second = finals(run([(1, 40), (0, 8), (1, 40), (0, 40)], config))
    assert second.samples_start_s >= first.end_s - 1e-9
    assert second.samples[0] == 40


def test_speech_past_the_maximum_is_cut_at_its_quietest_point():
    powers = np.full(900, 0.5, np.float32)
    powers[490:494] = 0.01  # at 9.8 s, voiced all the same
    first, second = finals(run([(1, 800), (0, 100)], powers=powers))
    assert first.forced_cut
    assert not second.forced_cut
    assert first.end_s == pytest.approx(9.84)
    assert first.decided_s == pytest.approx(12.02)
    assert second.start_s == pytest.approx(9.84)
    assert second.samples_start_s == pytest.approx(9.84)
    assert second.end_s == pytest.approx(16.0)


@settings(max_examples=150, deadline=None)
@given(
    pattern=st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.4, 1.0]), st.integers(1, 400)), min_size=1, max_size=12),
    seed=st.integers(0, 5),
    max_s=st.sampled_from([2.0, 3.3, 12.0]),
    search_s=st.sampled_from([0.1, 1.0, 10.0]),
)
def test_whatever_comes_utterances_are_ordered_bounded_and_share_no_voiced_sample(pattern, seed, max_s, search_s):
    config = EndpointConfig(max_utterance_s=max_s, cut_search_s=search_s)
    count = sum(frames for _, frames in pattern)
    order = np.random.default_rng(seed).permutation(count).astype(np.float32) + 1
    sounding = set(np.flatnonzero(np.random.default_rng(seed).random(count) < seed / 5))
    items = run(pattern, config, powers=order, sounding=sounding)
    position = {value: index for index, value in enumerate(order)}
    utterances = finals(items)
    assert [u.utterance_id for u in utterances] == [f"u{i + 1}" for i in range(len(utterances))]
    for u in utterances:
        assert 0 < u.end_s - u.start_s <= max_s + 1e-9
        assert u.samples_start_s <= u.start_s < u.end_s <= u.decided_s + 1e-9
        frames = [position[value] for value in u.samples[::SIZE]]
        assert frames == list(range(frames[0], frames[0] + len(frames)))  # contiguous audio, in order
        assert u.samples_start_s == pytest.approx(frames[0] * FRAME_S)
        assert u.samples_start_s + len(frames) * FRAME_S >= u.end_s - 1e-9
    for before, after in pairwise(utterances):
        assert after.samples_start_s >= before.end_s - 1e-9
        if before.forced_cut:  # nothing lost either: the next one begins where this one's samples end
            assert after.samples_start_s == pytest.approx(before.samples_start_s + len(before.samples) / 16_000)
    opened = [item for item in items if isinstance(item, Onset)]
    assert len(opened) == len(utterances) + sum(isinstance(item, Dropped) for item in items)


def test_endless_speech_is_cut_again_and_again_and_nothing_of_it_is_lost():
    utterances = finals(run([(0, 20), (1, 5000), (0, 40)]))
    assert len(utterances) >= 9
    heard = np.concatenate([u.samples for u in utterances])[::SIZE]
    assert np.array_equal(heard, np.arange(5, 5 + len(heard)))
    assert heard[-1] >= 5019


def test_endless_silence_and_endless_speech_hold_a_bounded_number_of_frames():
    endpointer = Endpointer(EndpointConfig(), FRAME_S, 10.0)
    silence = np.zeros(SIZE, np.float32)
    for probability in (0.0, 1.0):
        for i in range(20_000):
            endpointer.step(silence, probability, i * FRAME_S, (i + 1) * FRAME_S)
        assert len(endpointer._recent) + len(endpointer._open or []) < 700


def test_quiet_comes_once_after_each_silence_and_never_before_speech():
    items = run([(0, 800), (1, 50), (0, 800), (1, 50), (0, 1600)])
    assert [type(item) for item in items] == [Onset, Utterance, Quiet, Onset, Utterance, Quiet]
    quiet = [item.t_s for item in items if isinstance(item, Quiet)]
    assert quiet == pytest.approx([17 + 10, 34 + 10], abs=FRAME_S)


def test_an_interruption_that_skips_time_ends_the_utterance_and_then_is_quiet():
    endpointer = Endpointer(EndpointConfig(), FRAME_S, 10.0)
    items: list[EarItem] = []
    for i in range(50):
        items += endpointer.step(np.zeros(SIZE, np.float32), 1.0, i * FRAME_S, (i + 1) * FRAME_S)
    items += endpointer.interrupt(60.0)
    assert [type(item) for item in items] == [Onset, Utterance, Quiet]
    assert items[1].end_s == pytest.approx(1.0)
    assert items[2].t_s == 60.0


def test_snapshots_come_only_when_asked_and_grow():
    pattern = [(0, 50), (1, 200), (0, 50)]
    assert not [item for item in run(pattern) if isinstance(item, Speech)]
    shots = [item for item in run(pattern, snapshot_every_s=1.0) if isinstance(item, Speech)]
    assert len(shots) == 4
    assert all(np.diff([len(shot.samples) for shot in shots]) == 50 * SIZE)
    assert {shot.start_s for shot in shots} == {1.0}
    assert finals(run(pattern, snapshot_every_s=1.0))[0].decided_s == finals(run(pattern))[0].decided_s


def test_no_snapshot_in_a_pause_that_an_ending_tells_but_as_soon_as_speech_goes_on():
    pattern = [(0, 50), (1, 45), (0, 15), (1, 40), (0, 50)]
    shots = [item for item in run(pattern, snapshot_every_s=1.0, endings=True) if isinstance(item, Speech)]
    assert [shot.t_s for shot in shots] == pytest.approx([2.24])
    shots = [item for item in run(pattern, snapshot_every_s=1.0) if isinstance(item, Speech)]
    assert [shot.t_s for shot in shots] == pytest.approx([2.06, 3.06])


def test_how_it_would_end_is_told_with_the_tail_and_the_final_brings_the_same_samples():
    items = run([(0, 50), (1, 50), (0, 50)], endings=True)
    assert [type(item) for item in items] == [Onset, Ending, Utterance]
    _, ending, final = items
    assert ending.utterance.decided_s == pytest.approx(2.1)
    assert ending.utterance.samples is final.samples
    assert ending.left_s == pytest.approx(final.decided_s - ending.utterance.decided_s)
    assert vars_of(dataclasses.replace(ending.utterance, decided_s=final.decided_s)) == vars_of(final)


def test_when_speech_goes_on_it_ends_otherwise():
    items = run([(1, 30), (0, 10), (1, 30), (0, 40)], endings=True)
    assert [type(item) for item in items] == [Onset, Ending, Ending, Utterance]
    assert items[1].utterance.samples is not items[3].samples
    assert items[2].utterance.samples is items[3].samples
    too_short = run([(0, 20), (1, 7), (0, 40)], endings=True)
    assert [type(item) for item in too_short] == [Onset, Dropped]


@settings(max_examples=100, deadline=None)
@given(
    pattern=st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.integers(1, 200)), min_size=1, max_size=12),
    tail_ms=st.sampled_from([20.0, 100.0, 500.0]),
    max_s=st.sampled_from([2.0, 12.0]),
)
def test_whether_endings_are_asked_for_changes_no_utterance(pattern, tail_ms, max_s):
    config = EndpointConfig(tail_ms=tail_ms, max_utterance_s=max_s)
    asked, silent = (run(pattern, config, endings=endings, sounding=range(0, 999, 3)) for endings in (True, False))
    told = [item for item in asked if not isinstance(item, Ending)]
    assert [type(item) for item in told] == [type(item) for item in silent]
    for one, other in zip(finals(told), finals(silent), strict=True):
        assert np.array_equal(one.samples, other.samples)
        assert vars_of(one) == vars_of(other)


def vars_of(utterance: Utterance) -> list[object]:
    return [getattr(utterance, field.name) for field in dataclasses.fields(utterance) if field.name != "samples"]
