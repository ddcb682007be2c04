"""Each channel is a speaker: one dialogue, in order, however the channels are cut."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.items import same
from helpers.synthetic import RATE_HZ, buzz, hush
from hypothesis import given, settings
from hypothesis import strategies as st

from livemerc.audio.channels import ChannelEars
from livemerc.audio.ears import Ears
from livemerc.audio.items import Dropped, EarItem, Onset, Quiet, Speech, Utterance
from livemerc.audio.make_ears import make_ears
from livemerc.audio.source import Block
from livemerc.config import load_config

CONFIG = load_config(environ={}, overrides={"dialogue.freeze_after_s": 2.0, "vad.engine": "webrtc"})


def two_people() -> np.ndarray:
    """(n, 2): ann on the left and ben on the right, in turn, then both at once, then nobody."""
    left = [hush(0.5), buzz(1.2), hush(2.0), buzz(3.5, seed=1), hush(1.0), hush(3.5)]
    right = [hush(2.4), buzz(1.0, seed=2), hush(1.0), buzz(1.3, seed=3), hush(2.5), hush(3.5)]
    channels = [np.concatenate(left), np.concatenate(right)]
    assert len(channels[0]) == len(channels[1])
    return np.stack(channels, axis=1)


def hear(samples: np.ndarray, cuts: list[list[int]], *, in_step: bool = True) -> list[EarItem]:
    """Each channel is cut in its own places; whichever is behind is fed next."""
    ears = ChannelEars(CONFIG, RATE_HZ, ("ann", "ben"), snapshot_every_s=0.5, in_step=in_step)
    pieces = [np.split(samples[:, channel], sorted(cuts[channel])) for channel in (0, 1)]
    done = [0, 0]
    items: list[EarItem] = []
    while any(pieces):
        channel = min((c for c in (0, 1) if pieces[c]), key=lambda c: done[c])
        piece = pieces[channel].pop(0)
        items += ears.feed(Block(piece, done[channel] / RATE_HZ, channel=channel))
        done[channel] += len(piece)
    return items + ears.flush()


CUTS = list(range(320, len(two_people()), 320))
WHOLE = hear(two_people(), [CUTS, CUTS])


def finals(items: list[EarItem]) -> list[Utterance]:
    return [item for item in items if isinstance(item, Utterance)]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_items_do_not_depend_on_how_the_channels_are_cut(data):
    samples = two_people()
    cuts = [data.draw(st.lists(st.integers(0, len(samples)), max_size=30)) for _ in (0, 1)]
    assert same(hear(samples, cuts), WHOLE)


def test_each_channel_is_heard_by_ears_of_its_own():
    samples = two_people()
    for channel, speaker in enumerate(("ann", "ben")):
        ears = Ears(CONFIG, RATE_HZ)
        alone = finals(ears.feed(Block(samples[:, channel], 0.0)) + ears.flush())
        together = [u for u in finals(WHOLE) if u.speaker == speaker]
        assert [(u.start_s, u.end_s) for u in together] == [(u.start_s, u.end_s) for u in alone]
        assert all(np.array_equal(one.samples, other.samples) for one, other in zip(together, alone, strict=True))


def test_ids_count_the_finals_of_both_in_the_order_in_which_they_were_decided():
    utterances = finals(WHOLE)
    assert [u.utterance_id for u in utterances] == ["u1", "u2", "u3", "u4"]
    assert [u.speaker for u in utterances] == ["ann", "ben", "ben", "ann"]
    assert [u.decided_s for u in utterances] == sorted(u.decided_s for u in utterances)
    assert utterances[3].start_s < utterances[2].start_s  # ann began before ben and spoke on after him


def test_a_snapshot_tells_the_speaker_and_the_id_that_would_come_next():
    waiting: dict[str | None, set[str]] = {}
    for item in WHOLE:
        if isinstance(item, Speech):
            waiting.setdefault(item.speaker, set()).add(item.utterance_id)
    assert waiting["ann"] >= {"u1", "u3", "u4"}  # u3 until ben, who began later, ended first
    assert waiting["ben"] == {"u2", "u4"}


def test_the_conversation_is_quiet_when_nobody_speaks_and_once():
    quiet = [item for item in WHOLE if isinstance(item, Quiet)]
    assert [item.t_s for item in quiet] == [pytest.approx(finals(WHOLE)[-1].end_s + 2.0)]


def test_devices_of_their_own_do_not_wait_for_each_other():
    ears = ChannelEars(CONFIG, RATE_HZ, ("ann", "ben"), in_step=False)
    items = ears.feed(Block(np.concatenate((hush(0.5), buzz(1.0), hush(1.0))), 0.0, channel=1))
    assert [type(item) for item in items] == [Onset, Utterance]  # though nothing came from ann
    assert items[1].speaker == "ben"


def test_a_cough_gives_its_id_back():
    click = np.concatenate((hush(0.5), buzz(0.16), hush(1.0), buzz(1.0), hush(1.0)))
    ears = ChannelEars(CONFIG, RATE_HZ, ("ann", "ben"))
    items = ears.feed(Block(click, 0.0)) + ears.feed(Block(hush(len(click) / RATE_HZ), 0.0, channel=1)) + ears.flush()
    assert [(type(item), item.utterance_id) for item in items] == [
        *((Onset, "u1"), (Dropped, "u1"), (Onset, "u1"), (Utterance, "u1"))
    ]


class OneSource:
    rate_hz = RATE_HZ


class NamedSource(OneSource):
    speakers = ("ann",)


def test_a_source_without_speakers_has_plain_ears_and_one_name_is_enough_for_a_speaker():
    assert isinstance(make_ears(CONFIG, OneSource()), Ears)
    ears = make_ears(CONFIG, NamedSource())
    (final,) = finals(ears.feed(Block(np.concatenate((hush(0.5), buzz(1.0), hush(1.0))), 0.0)))
    assert (final.utterance_id, final.speaker) == ("u1", "ann")
