"""The degrade order: entered at once, left with hysteresis, one level at a time."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from livemerc.config import OverloadConfig
from livemerc.pipeline.overload import LONGEST_CALM, SENTENCES, Level, Overload

CONFIG = OverloadConfig()
LAGS_S = st.floats(0, 60)


def after(overload: Overload, lag_s: float, begin_s: float, seconds: float) -> list[Level]:
    """The levels of `seconds` of the same lag, looked at four times a second."""
    return [overload.observe(begin_s + i / 4, lag_s) for i in range(round(seconds * 4) + 1)]


def test_each_level_is_entered_at_its_lag_and_no_earlier() -> None:
    for level, lag_s in (
        (Level.NO_PARTIALS, CONFIG.skip_partials_after_s),
        (Level.FAST_ASR, CONFIG.fast_asr_after_s),
        (Level.SPEECH_ONLY, CONFIG.speech_only_after_s),
    ):
        assert Overload(CONFIG).observe(0.0, lag_s) == level
        assert Overload(CONFIG).observe(0.0, lag_s - 0.01) == level - 1


def test_every_degraded_level_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Level) - {Level.WELL}


def test_a_level_is_left_one_by_one_and_only_after_a_calm_time() -> None:
    overload = Overload(CONFIG)
    overload.observe(0.0, 20.0)
    levels = after(overload, 0.0, 0.25, 3 * CONFIG.calm_s + 1)
    assert [level for level, _ in itertools.groupby(levels)] == [3, 2, 1, 0]
    assert sum(level == Level.SPEECH_ONLY for level in levels) / 4 >= CONFIG.calm_s


def test_between_half_and_the_whole_of_its_lag_a_level_stays() -> None:
    overload = Overload(CONFIG)
    overload.observe(0.0, CONFIG.fast_asr_after_s)
    assert set(after(overload, 0.6 * CONFIG.fast_asr_after_s, 0.25, 600)) == {Level.FAST_ASR}


def test_one_late_moment_begins_the_calm_anew() -> None:
    overload = Overload(CONFIG)
    overload.observe(0.0, CONFIG.skip_partials_after_s)
    after(overload, 0.0, 0.25, CONFIG.calm_s - 1)
    overload.observe(CONFIG.calm_s - 0.5, 0.9 * CONFIG.skip_partials_after_s)
    assert set(after(overload, 0.0, CONFIG.calm_s, CONFIG.calm_s - 1)) == {Level.NO_PARTIALS}
    assert after(overload, 0.0, 2 * CONFIG.calm_s, 2)[-1] == Level.WELL


def test_a_machine_that_cannot_keep_up_tries_again_less_and_less_often() -> None:
    """The lag comes back whenever speech-only is left: the holds double up to their longest."""
    overload, now_s = Overload(CONFIG), 0.0
    holds = []
    for _ in range(8):
        assert overload.observe(now_s, 15.0) == Level.SPEECH_ONLY
        entered_s = now_s
        while overload.level == Level.SPEECH_ONLY:
            now_s += 0.25
            overload.observe(now_s, 0.0)
        holds.append(now_s - entered_s)
        now_s += 1.0
    assert all(later >= earlier for earlier, later in itertools.pairwise(holds))
    assert holds[1] > 1.5 * holds[0]
    assert holds[-1] <= LONGEST_CALM * CONFIG.calm_s + 1
    # A long time well, and it is as patient as at first.
    after(overload, 0.0, now_s, 8 * LONGEST_CALM * CONFIG.calm_s)
    assert overload.level == Level.WELL
    now_s += 8 * LONGEST_CALM * CONFIG.calm_s
    overload.observe(now_s, 4.0)
    assert after(overload, 0.0, now_s, CONFIG.calm_s + 1)[-1] == Level.WELL


@given(lags_s=st.lists(LAGS_S, max_size=200), step_s=st.floats(0.01, 10))
def test_whatever_the_lag_does_the_order_is_kept(lags_s: list[float], step_s: float) -> None:
    overload = Overload(CONFIG)
    for i, lag_s in enumerate(lags_s):
        before = overload.level
        level = overload.observe(i * step_s, lag_s)
        assert level >= before - 1
        if level > before:
            assert lag_s >= CONFIG.skip_partials_after_s
        if lag_s >= CONFIG.speech_only_after_s:
            assert level == Level.SPEECH_ONLY
        if lag_s < CONFIG.skip_partials_after_s:
            assert level <= before
