"""Ears of a session that goes on: what they say behind the past is what ears would have said that never stopped."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from helpers import wav_file
from helpers.items import same
from helpers.paths import DEMO

from livemerc.audio.file_source import FileSource
from livemerc.audio.items import EarItem, Ending, Onset, Quiet, Recalled, Speech, Utterance
from livemerc.audio.make_ears import make_ears
from livemerc.audio.read import read_samples
from livemerc.audio.resumed import Past
from livemerc.config import Config, load_config
from livemerc.events import FinalAsr, UtteranceFinal


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(environ={}, overrides={"dialogue.freeze_after_s": 1.0})


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's first half on the left, and its second on the right."""
    left, right = read_samples(DEMO, 16_000, 0.0, 36.0), read_samples(DEMO, 16_000, 36.0, 72.0)
    return wav_file.write(tmp_path_factory.mktemp("call") / "call.wav", np.stack([left, right], axis=1), 16_000)


def hear(call: Path, config: Config, speakers: tuple[str, ...] = (), past: Past | None = None) -> list[EarItem]:
    """Without speakers the demo."""
    source = FileSource(call if speakers else DEMO, speed=0, speakers=speakers)
    source.past = past
    ears = make_ears(config, source, 0.5, endings=True)
    items = [item for block in source.blocks() for item in ears.feed(block)]
    return items + ears.flush()


@pytest.fixture(scope="module")
def heard(call: Path, config: Config) -> dict[tuple[str, ...], list[EarItem]]:
    """What ears that never stop say, by the speakers."""
    return {speakers: hear(call, config, speakers) for speakers in ((), ("ann", "ben"))}


def final_of(utterance: Utterance) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=utterance.utterance_id, start_s=utterance.start_s, end_s=utterance.end_s, text="",
        speaker=utterance.speaker, asr=FinalAsr(engine="none"),
    )  # fmt: skip


def past_of(items: list[EarItem], count: int, speakers: tuple[str, ...] = (), window: int = 2) -> Past:
    finals = [final_of(item) for item in items if isinstance(item, Utterance)][:count]
    names = [final.utterance_id for final in finals]
    return Past(tuple(finals), speakers, frozenset(names[-window:]), frozenset(names[:-window:2]))


@pytest.mark.parametrize("speakers", [(), ("ann", "ben")])
@pytest.mark.parametrize("count", [1, 7])
def test_what_is_new_is_heard_as_if_the_session_had_never_stopped(call, config, heard, speakers, count) -> None:
    whole = heard[speakers]
    said = [item for item in whole if isinstance(item, Utterance)]
    assert len(said) > 8
    past = past_of(whole, count, speakers)
    again = hear(call, config, speakers, past)
    known = [item.utterance_id for item in said[:count]]
    new = [item for item in again if isinstance(item, Utterance) and item.utterance_id not in known]
    assert same(new, said[count:])
    behind = whole.index(said[count]) + 1  # what is said while the first new one is open is the past's or not: the
    kinds = Speech | Quiet | Ending  # channels' utterances overlap
    expected = [item for item in whole[behind:] if isinstance(item, kinds)]
    after = [item for item in again[again.index(new[0]) + 1 :] if isinstance(item, kinds)]
    assert [(type(item), told(item)) for item in after] == [(type(item), told(item)) for item in expected]


def told(item: Speech | Quiet | Ending) -> tuple[object, ...]:
    if isinstance(item, Quiet):
        return (item.t_s,)
    return item.utterance_id, (item if isinstance(item, Speech) else item.utterance).start_s


@pytest.mark.parametrize("speakers", [(), ("ann", "ben")])
def test_of_the_past_only_what_is_needed_is_heard_again_with_the_same_samples(call, config, heard, speakers) -> None:
    whole = heard[speakers]
    said = {item.utterance_id: item for item in whole if isinstance(item, Utterance)}
    past = past_of(whole, 7, speakers)
    again = hear(call, config, speakers, past)
    window = [item for item in again if isinstance(item, Utterance) and item.utterance_id in past.window]
    assert [item.utterance_id for item in window] == ["u6", "u7"]
    for item in window:
        np.testing.assert_array_equal(item.samples, said[item.utterance_id].samples)
        assert (item.start_s, item.end_s, item.speaker) == tuple(
            getattr(said[item.utterance_id], name) for name in ("start_s", "end_s", "speaker")
        )
        assert item.decided_s >= past.until_s  # nobody is behind by what was said long ago
    recalled = [item for item in again if isinstance(item, Recalled)]
    assert [item.speaker for item in recalled] == [said[name].speaker for name in ("u1", "u3", "u5")]
    for item, name in zip(recalled, ("u1", "u3", "u5"), strict=True):
        np.testing.assert_array_equal(item.samples, said[name].samples)
    assert not [item for item in again if isinstance(item, Onset) and item.start_s < past.until_s]


def test_what_another_version_recorded_otherwise_is_left_out_and_nothing_comes_twice(call, config, heard) -> None:
    """Its ears had heard one utterance fewer, and another one longer."""
    whole = heard[()]
    said = [item for item in whole if isinstance(item, Utterance)]
    finals = [final_of(item) for item in (said[0], *said[2:6])]
    finals = [replace_final(final, number) for number, final in enumerate(finals, start=1)]
    names = frozenset(final.utterance_id for final in finals)
    again = [item for item in hear(call, config, past=Past(tuple(finals), window=names)) if isinstance(item, Utterance)]
    new = [item for item in again if item.utterance_id not in names]
    assert [(item.start_s, item.end_s) for item in new] == [(item.start_s, item.end_s) for item in said[6:]]
    assert [item.utterance_id for item in new] == [f"u{6 + number}" for number in range(len(new))]
    assert [item.utterance_id for item in again if item.utterance_id in names] == ["u1"]


def replace_final(final: UtteranceFinal, number: int) -> UtteranceFinal:
    return msgspec.structs.replace(final, utterance_id=f"u{number}")


def test_the_past_passes_as_fast_as_it_goes_and_the_rest_at_its_pace(heard) -> None:
    """A block behind the past is due when its sound would be, counted from when the past was over."""
    source = FileSource(DEMO, speed=60.0, block_ms=100.0)
    source.past = past_of(heard[()], 4)
    until_s = source.past.until_s
    came = [(block.start_s, time.monotonic()) for block in source.blocks()]
    begun = max(t for start_s, t in came if start_s < until_s)
    for start_s, t in came:
        if start_s >= until_s:
            assert (t - begun) * 60.0 >= start_s - until_s - 0.1
