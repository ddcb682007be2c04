"""Who has a name in a session: two readers through the whole chain, one of them enrolled; and a person who names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from helpers.voiceprints import voiceprint

from livemerc.audio.file_source import FileSource
from livemerc.config import SAMPLE_RATE_HZ, Config, RecordConfig
from livemerc.errors import ConfigError, InputError
from livemerc.events import Event, SessionStart, SpeakerName, UtteranceFinal, UtteranceSpeaker
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.recording_monitor import RecordingMonitor
from livemerc.sessions.journal import read
from livemerc.sessions.session import read_session
from livemerc.speakers.enrolment import Enrolment
from livemerc.speakers.ge2e import Ge2eEmbedder
from livemerc.speakers.voiceprints import EmbedderId, Voiceprint, Voiceprints, default_folder

pytestmark = pytest.mark.usefixtures("own_data")
CONSENT = voiceprint("Ann").consent


@pytest.fixture(scope="module")
def ann(readers: list[np.ndarray]) -> Voiceprint:
    enrolment = Enrolment(Ge2eEmbedder())
    for begin in (0, 5, 10):
        enrolment.hear(readers[0][begin * SAMPLE_RATE_HZ : (begin + 5) * SAMPLE_RATE_HZ])
    return enrolment.voiceprint("Ann", CONSENT)


@pytest.fixture
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none", speakers__diarize=True)


def monitor(talk: Path, config: Config) -> Monitor:
    return Monitor(FileSource(talk, speed=0), config)


def when_final(watched: Monitor | RecordingMonitor, utterance_id: str, then: Callable[[], None]) -> list[Event]:
    """All events; something is done once that utterance is final."""
    events: list[Event] = []
    for event in watched.events():
        events.append(event)
        if isinstance(event, UtteranceFinal) and event.utterance_id == utterance_id:
            then()
    return events


def names(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(event.speaker, event.name) for event in events if isinstance(event, SpeakerName)]


def begun(events: list[Event]) -> SessionStart:
    return next(event for event in events if isinstance(event, SessionStart))


def test_an_enrolled_voice_has_its_name_in_the_record_and_the_stranger_none(
    talk: Path, ann: Voiceprint, config: Config, tmp_path: Path
) -> None:
    Voiceprints().add(ann)
    watched = RecordingMonitor(monitor(talk, config), tmp_path / "record")
    events = list(watched.events())
    assert begun(events).voiceprints == 1
    assert names(events) == [("S1", "Ann")]
    at = next(i for i, event in enumerate(events) if isinstance(event, SpeakerName))
    assert isinstance(events[at - 1], UtteranceSpeaker)
    assert any("Ann" in sentence and "speakers.voiceprints" in sentence for sentence in watched.announcements)
    session = read_session(tmp_path / "record")
    spoken = {u.speaker for u in session.utterances}
    assert "Ann" in spoken
    assert "S1" not in spoken
    assert {u.final.speaker for u in session.utterances} >= {"S1", "S2"}
    mean = ",".join(str(value) for value in ann.mean[:3])
    for file in (tmp_path / "record").iterdir():
        assert mean.encode() not in file.read_bytes()


def test_it_can_be_switched_off_and_another_embedders_print_is_told_and_not_compared(
    talk: Path, ann: Voiceprint, config: Config, configured: Callable[..., Config]
) -> None:
    Voiceprints().add(ann)
    off = monitor(talk, configured(asr__engine="none", speakers__diarize=True, speakers__voiceprints=False))
    told = list(off.events())
    assert begun(told).voiceprints is None
    assert names(told) == []
    Voiceprints().forget_all()
    Voiceprints().add(voiceprint("Ben", ann.mean, EmbedderId(name="ge2e", sha256="0" * 64)))
    other = monitor(talk, config)
    told = list(other.events())
    assert begun(told).voiceprints is None
    assert names(told) == []
    assert any("Ben" in sentence and "another embedder" in sentence for sentence in other.announcements)


def test_a_person_names_a_speaker_and_the_voice_is_remembered(talk: Path, config: Config, tmp_path: Path) -> None:
    watched = RecordingMonitor(monitor(talk, config), tmp_path / "record")
    with pytest.raises(ConfigError, match="nobody has been heard yet"):
        watched.name_speaker("S1", "Mia")

    def name() -> None:
        watched.name_speaker("S1", " Mia  Example ")
        with pytest.raises(InputError, match="needed to remember"):
            watched.remember_voice("S1", "Mia", CONSENT)
        with pytest.raises(ConfigError, match="name"):
            watched.name_speaker("S1", "S9")

    events = when_final(watched, "u2", name)
    assert names(events) == [("S1", "Mia Example")]
    assert names(read(tmp_path / "record").events) == [("S1", "Mia Example")]
    assert "Mia Example" in {u.speaker for u in read_session(tmp_path / "record").utterances}
    watched.remember_voice("S1", "Mia", CONSENT)  # 12 s of it are known by now
    (kept,) = Voiceprints().read().prints
    assert kept.name == "Mia"
    assert kept.consent == CONSENT
    assert kept.embedder == Ge2eEmbedder().id
    assert default_folder().is_relative_to(tmp_path / "data")
    with pytest.raises(ConfigError, match="has ended"):
        watched.name_speaker("S1", "Ann")
    again = list(monitor(talk, config).events())
    assert names(again) == [("S1", "Mia")]


def test_a_recording_that_begins_later_keeps_the_names(talk: Path, config: Config, tmp_path: Path) -> None:
    config = msgspec.structs.replace(config, record=RecordConfig(folder=str(tmp_path / "kept")))
    watched = RecordingMonitor(monitor(talk, config), None)
    for event in watched.events():
        if isinstance(event, UtteranceFinal):
            if event.utterance_id == "u1":
                watched.name_speaker("S1", "Mia")
            if event.utterance_id == "u3":
                watched.toggle_recording()
    (folder,) = (tmp_path / "kept").iterdir()
    assert names(read(folder).events) == [("S1", "Mia")]
    assert "Mia" in {u.speaker for u in read_session(folder).utterances}


def test_channels_can_be_named_and_their_voices_are_not_remembered(
    talk: Path, configured: Callable[..., Config]
) -> None:
    plain = monitor(talk, configured(asr__engine="none"))

    def name() -> None:
        plain.name_speaker("left", "Mia")
        with pytest.raises(ConfigError, match="--diarize"):
            plain.remember_voice("left", "Mia", CONSENT)

    events = when_final(plain, "u1", name)
    assert names(events) == [("left", "Mia")]
