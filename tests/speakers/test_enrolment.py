"""Enrolling a voice from real speech: enough of it, of one person, clean; and who is recognised by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.sources import Samples
from helpers.voiceprints import voiceprint

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.errors import InputError
from livemerc.speakers.embedder import SpeakerEmbedder
from livemerc.speakers.enrolment import LEAST_S, Enrolment, above_noise_db, listen
from livemerc.speakers.ge2e import embedder_id
from livemerc.speakers.names import EnrolledVoices
from livemerc.speakers.surroundings import everywhere

CONSENT = voiceprint("Ann").consent


@pytest.fixture(scope="module")
def readers(shared_data: Path) -> dict[str, list[np.ndarray]]:
    """Of three readers clips of 6 s: four each."""
    found: dict[str, list[np.ndarray]] = {}
    for path in sorted((shared_data / "speech" / "librispeech").glob("*.flac")):
        samples = read_samples(path, SAMPLE_RATE_HZ)
        size = 6 * SAMPLE_RATE_HZ
        clips = found.setdefault(path.name.split("-")[0], [])
        clips += [samples[at : at + size] for at in range(0, len(samples) - size + 1, size)]
    return {name: clips[:4] for name, clips in list(found.items())[:3] if len(clips) >= 4}


def heard(embedder: SpeakerEmbedder, *clips: np.ndarray) -> Enrolment:
    enrolment = Enrolment(embedder)
    for clip in clips:
        enrolment.hear(clip)
    return enrolment


def test_who_is_enrolled_is_recognised_and_a_stranger_is_not(
    embedder: SpeakerEmbedder, readers: dict[str, list[np.ndarray]]
) -> None:
    *known, stranger = readers
    prints = [heard(embedder, *readers[name][:3]).voiceprint(name, CONSENT) for name in known]
    assert all(one.embedder == embedder_id() == embedder.id for one in prints)
    assert all(one.voiced_s >= LEAST_S and one.utterances == 3 for one in prints)
    enrolled = EnrolledVoices(prints)
    for name, clips in readers.items():
        point = embedder.embed(clips[3])
        assert point is not None
        assert enrolled.name_of(point.x) == (None if name == stranger else name)


def test_too_little_voice_is_refused_with_the_mend(
    embedder: SpeakerEmbedder, readers: dict[str, list[np.ndarray]]
) -> None:
    clips = next(iter(readers.values()))
    enrolment = heard(embedder, clips[0], clips[1][: SAMPLE_RATE_HZ // 2])
    assert not enrolment.enough
    with pytest.raises(InputError, match=r"s of clean voice.*speak longer"):
        enrolment.voiceprint("Ann", CONSENT)
    with pytest.raises(InputError, match="0 s of clean voice"):
        Enrolment(embedder).voiceprint("Ann", CONSENT)


def test_a_noisy_voice_is_refused_and_told(embedder: SpeakerEmbedder, readers: dict[str, list[np.ndarray]]) -> None:
    rng = np.random.default_rng(0)
    clips = next(iter(readers.values()))
    noisy = [clip + (0.2 * rng.standard_normal(len(clip))).astype(np.float32) for clip in clips]
    assert above_noise_db(noisy[0]) < above_noise_db(clips[0])
    with pytest.raises(InputError, match="too noisy"):
        heard(embedder, *noisy).voiceprint("Ann", CONSENT)


def test_two_voices_are_refused(embedder: SpeakerEmbedder, readers: dict[str, list[np.ndarray]]) -> None:
    one, other, *_ = readers.values()
    with pytest.raises(InputError, match="more than one voice"):
        heard(embedder, *one[:2], *other[:2]).voiceprint("Ann", CONSENT)


def test_a_source_is_heard_through_the_ears_until_it_ends_or_so_long(embedder: SpeakerEmbedder) -> None:
    whole, some = Enrolment(embedder), Enrolment(embedder)
    told: list[float] = []
    listen(Samples(20.0), Config(), whole, told.append)
    listen(Samples(20.0, endless=True), Config(), some, at_most_s=8.0)
    assert told == sorted(told)
    assert told[-1] == whole.voiced_s
    assert 0 < some.voiced_s < whole.voiced_s


def test_elsewhere_the_same_samples_sound_the_same_again() -> None:
    samples = np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ).astype(np.float32)
    first, again = list(everywhere(samples)), list(everywhere(samples))
    assert len(first) == 4
    assert first[0] is samples
    for one, other in zip(first, again, strict=True):
        assert one.shape == samples.shape
        assert one.dtype == np.float32
        assert np.array_equal(one, other)
    assert len({one.tobytes() for one in first}) == 4
