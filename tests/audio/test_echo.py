"""The far side of a call, heard again by the near microphone, is known; who speaks at the same time is not."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.paths import DEMO
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from livemerc.audio.echo import Echoes, EchoWatch
from livemerc.audio.items import Utterance
from livemerc.audio.read import read_samples

RATE_HZ = 16_000
ANNA = read_samples(DEMO, RATE_HZ, 0.6, 3.8)  # Good morning. I am making coffee in the kitchen.
BEN = read_samples(DEMO, RATE_HZ, 4.1, 7.6)  # Good morning. My train leaves at eleven today.
ROOM = np.exp(-np.arange(2400) / 500) * np.random.default_rng(7).standard_normal(2400) * 0.1
"""A reverberation of .15 s, louder than the direct sound by 4 dB; the direct sound is added to it."""


def said(speaker: str, samples: np.ndarray, start_s: float = 0.0, number: int = 1) -> Utterance:
    end_s = start_s + len(samples) / RATE_HZ
    return Utterance(
        utterance_id=f"u{number}",
        samples=samples.astype(np.float32),
        samples_start_s=start_s,
        start_s=start_s + 0.2,
        end_s=end_s - 0.1,
        decided_s=end_s + 0.4,
        forced_cut=False,
        speaker=speaker,
    )


def again(samples: np.ndarray, level_db: float = -15.0, room: bool = False, noise_dbfs: float = -65.0) -> np.ndarray:
    """As a microphone hears it from a loudspeaker."""
    heard = np.convolve(samples, np.concatenate(([1.0], ROOM[1:])))[: len(samples)] if room else samples
    noise = 10 ** (noise_dbfs / 20) * np.random.default_rng(3).standard_normal(len(samples))
    return 10 ** (level_db / 20) * heard + noise


@settings(max_examples=15, phases=(Phase.explicit, Phase.generate))
@example(delay_s=0.048, level_db=-5.5, room=True, whose=ANNA)
@given(
    delay_s=st.floats(0.04, 0.25), level_db=st.floats(-25, 0), room=st.booleans(), whose=st.sampled_from([ANNA, BEN])
)
def test_an_echo_is_known_whatever_its_delay_level_and_room(delay_s, level_db, room, whose):
    watch = EchoWatch()
    assert watch.hear(said("them", whose)) == Echoes()
    assert watch.hear(said("me", again(whose, level_db, room), delay_s, 2)).is_echo


@pytest.mark.parametrize("delay_s", [0.04, 0.25])
def test_an_echo_that_was_published_first_is_found_later(delay_s):
    watch = EchoWatch()
    assert watch.hear(said("me", again(ANNA), delay_s)) == Echoes()
    assert watch.hear(said("them", ANNA, number=2)) == Echoes(earlier=("u1",))


def test_an_echo_that_is_cut_otherwise_is_still_one():
    watch = EchoWatch()
    half = len(ANNA) // 2
    watch.hear(said("them", ANNA[:half]))
    watch.hear(said("them", ANNA[half:], half / RATE_HZ, 2))
    assert watch.hear(said("me", again(ANNA), 0.1, 3)).is_echo


def test_two_microphones_in_one_room_keep_the_nearer_one():
    watch = EchoWatch()
    assert watch.hear(said("ann", ANNA)) == Echoes()
    assert watch.hear(said("ben", again(ANNA, -10.0), 0.003, 2)).is_echo


@pytest.mark.parametrize("leak_db", [None, -25.0])
def test_two_people_who_say_the_same_word_at_once_are_both_kept(leak_db):
    morning = [ANNA[: round(0.95 * RATE_HZ)], BEN[: round(0.95 * RATE_HZ)]]  # Good morning.
    if leak_db is not None:  # each microphone hears a little of the other
        leak = 10 ** (leak_db / 20)
        morning = [morning[0] + leak * morning[1], morning[1] + leak * morning[0]]
    watch = EchoWatch()
    assert watch.hear(said("ann", morning[0])) == Echoes()
    assert watch.hear(said("ben", morning[1], 0.03, 2)) == Echoes()


def test_a_voice_that_says_the_same_again_a_second_later_is_kept():
    watch = EchoWatch()
    watch.hear(said("them", ANNA))
    assert watch.hear(said("me", again(ANNA), 1.2, 2)) == Echoes()


def test_whoever_speaks_over_the_echo_is_kept():
    mine = BEN[: len(ANNA)] if len(BEN) >= len(ANNA) else np.pad(BEN, (0, len(ANNA) - len(BEN)))
    watch = EchoWatch()
    watch.hear(said("them", ANNA))
    assert watch.hear(said("me", mine + again(ANNA)[: len(mine)], 0.1, 2)) == Echoes()


def test_one_channel_has_no_echo():
    watch = EchoWatch()
    alone = said("them", ANNA)
    assert watch.hear(alone) == Echoes()
    assert watch.hear(said("them", ANNA, 0.1, 2)) == Echoes()


def test_silence_is_nobodys_echo():
    watch = EchoWatch()
    watch.hear(said("them", ANNA))
    assert watch.hear(said("me", np.zeros(RATE_HZ), 0.1, 2)) == Echoes()


def test_an_echo_that_devices_have_changed_beyond_its_sound_is_known_by_its_words():
    changed = again(ANNA)[::-1].copy()  # nothing of the waveform is left, and the level is
    watch = EchoWatch()
    for_them, for_me = said("them", ANNA), said("me", changed, 0.1, 2)
    watch.hear(for_them)
    assert watch.read(for_them, "Good morning. I am making coffee in the kitchen.") == Echoes()
    assert watch.hear(for_me) == Echoes()
    assert watch.read(for_me, "good morning I am making coffee in a kitchen").is_echo


@pytest.mark.parametrize("words", ["Good morning.", "Good morning. My train leaves at eleven today."])
def test_other_words_and_few_words_are_kept(words):
    watch = EchoWatch()
    for_ann, for_ben = said("ann", ANNA), said("ben", again(BEN[: len(ANNA)]), 0.1, 2)
    watch.hear(for_ann)
    watch.read(for_ann, "Good morning." if words == "Good morning." else "Good morning. I am making coffee.")
    watch.hear(for_ben)
    assert watch.read(for_ben, words) == Echoes()


def test_it_can_be_switched_off():
    watch = EchoWatch(on=False)
    watch.hear(said("them", ANNA))
    assert watch.hear(said("me", again(ANNA), 0.1, 2)) == Echoes()
