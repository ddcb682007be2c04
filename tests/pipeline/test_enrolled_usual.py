"""A baseline that begins with an enrolled usual voice: as if it had been said before, for what is still open alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import pytest
import torch
from helpers.networks import merits, write_checkpoint
from helpers.settled import settled
from helpers.sources import Samples
from helpers.voiceprints import voiceprint
from torch import Tensor

from livemerc.config import SAMPLE_RATE_HZ, Config, DialogueConfig
from livemerc.events import EmotionEvent, Event, SpeakerName, UtteranceFinal
from livemerc.model.checkpoint import Abstention, read_manifest
from livemerc.model.voice import VoiceBranch
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.baselines import KEPT, Baselines
from livemerc.pipeline.dialogue import Dialogue
from livemerc.pipeline.entry import packed
from livemerc.pipeline.judging import Voice
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.pipeline.usual_voices import UsualEars, UsualVoices
from livemerc.pipeline.who_speaks import WhoSpeaks
from livemerc.runtime.worker import GiveUp
from livemerc.speakers.enrolment import Enrolment
from livemerc.speakers.ge2e import Ge2eEmbedder
from livemerc.speakers.voiceprints import MOST_VOICES, UsualVoice, Voiceprint, Voiceprints

T = TypeVar("T")

pytestmark = pytest.mark.usefixtures("own_data")
MODEL = merits(baselines=True)
assert isinstance(MODEL.speech, VoiceBranch)
WIDTH = MODEL.speech.head.config.width
CUES = Cues(duration_s=2.0)
CONSENT = voiceprint("Ann").consent
TALK_S = 60.0


def voices(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(seed))


def dialogue_of(context: int = 6, revise: int = 2) -> Dialogue:
    return Dialogue(MODEL, DialogueConfig(context=context, revise=revise, revision_step=0.0), Abstention())


def add(dialogue: Dialogue, number: int, voice: Tensor) -> list[EmotionEvent]:
    return dialogue.add(str(number), None, voice, CUES, speaker="S1", settled=False)


def alike(one: EmotionEvent, other: EmotionEvent) -> bool:
    return one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


# -- a dialogue --------------------------------------------------------------------------------------------------------


def test_it_counts_before_all_else_and_is_forgotten_first() -> None:
    baselines: Baselines[int] = Baselines()
    assert KEPT == MOST_VOICES
    baselines.begin_with("ann", (1, 2))
    assert baselines.of("ann") == (1, 2)
    assert baselines.of("ben") == baselines.of(None) == ()
    for number in range(10, 10 + KEPT - 1):
        baselines.enter("ann", number)
    assert baselines.of("ann") == (2, *range(10, 10 + KEPT - 1))
    baselines.enter("ann", 99)
    assert 2 not in baselines.of("ann")
    baselines.begin_with("ann", ())
    assert len(baselines.of("ann")) == KEPT


def test_a_speaker_who_begins_with_it_is_judged_as_if_it_had_been_said() -> None:
    said, usual = voices(6), voices(4, seed=1)
    warm, recalled, cold = dialogue_of(), dialogue_of(), dialogue_of()
    warm.begin_with("S1", tuple(Voice(row) for row in usual))
    for row in usual:
        recalled.recall("S1", row)
    for number, voice in enumerate(said):
        one, same, other = (add(dialogue, number, voice) for dialogue in (warm, recalled, cold))
        assert one == same
        assert not alike(one[-1], other[-1])


def test_a_name_that_comes_later_revises_what_is_open_and_nothing_that_is_frozen() -> None:
    said, usual = voices(8), tuple(Voice(row) for row in voices(4, seed=1))
    late, never = dialogue_of(), dialogue_of()
    before, same = ([event for i in range(4) for event in add(dialogue, i, said[i])] for dialogue in (late, never))
    assert before == same
    settled_by_then = {event.utterance_id for event in before if event.status == "frozen"}
    assert settled_by_then == {"0", "1"}
    late.begin_with("S1", usual)
    after = [event for number in range(4, 8) for event in add(late, number, said[number])] + late.freeze_all()
    assert not settled_by_then & {event.utterance_id for event in after}
    assert {event.utterance_id for event in after if event.status == "revised"} >= {"2", "3"}
    at_once = dialogue_of()
    at_once.begin_with("S1", usual)
    told = [event for number in range(8) for event in add(at_once, number, said[number])]
    assert not alike(told[0], before[0])


def test_a_name_that_is_taken_back_makes_it_cold_again() -> None:
    said, usual = voices(5), tuple(Voice(row) for row in voices(4, seed=1))
    once, never = dialogue_of(context=1, revise=0), dialogue_of(context=1, revise=0)
    once.begin_with("S1", usual)
    for number in range(4):
        once_said, never_said = (add(dialogue, number, said[number]) for dialogue in (once, never))
        assert not alike(once_said[0], never_said[0])
    once.begin_with("S1", ())
    assert alike(add(once, 4, said[4])[0], add(never, 4, said[4])[0])


# -- a session ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A checkpoint with baselines, and one utterance at a time: an estimate hangs on voice and baseline alone."""
    folder = write_checkpoint(tmp_path_factory.mktemp("usual") / "checkpoint", baselines=True)
    return configured(
        asr__engine="none", model__checkpoint=str(folder), model__device="cpu", dialogue__context=1,
        dialogue__revise=0, speakers__diarize=True, speakers__usual_voice=True, live__partial_emotion_budget_ms=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def ann(readers: list[np.ndarray], config: Config) -> Voiceprint:
    """The first reader, with the usual voice."""
    enrolment = Enrolment(Ge2eEmbedder(), UsualEars(config))
    for begin in (0, 5, 10):
        enrolment.hear(readers[0][begin * SAMPLE_RATE_HZ : (begin + 5) * SAMPLE_RATE_HZ])
    return enrolment.voiceprint("Ann", CONSENT)


def heard(talk: Path, config: Config, *, block_ms: float = 100.0, live: bool = False) -> tuple[list[Event], list[str]]:
    """Events and announcements."""
    monitor = Monitor(Samples(TALK_S, block_ms=block_ms, live=live, path=talk), config)
    return list(monitor.events()), monitor.announcements


def frozen(events: list[Event]) -> dict[str, EmotionEvent]:
    return {e.utterance_id: e for e in events if isinstance(e, EmotionEvent) and e.status == "frozen"}


def by(events: list[Event], speaker: str) -> list[str]:
    return [e.utterance_id for e in events if isinstance(e, UtteranceFinal) and e.speaker == speaker]


def without(config: Config) -> Config:
    return msgspec.structs.replace(config, speakers=msgspec.structs.replace(config.speakers, usual_voice=False))


def test_whoever_is_recognised_is_judged_against_it_and_nobody_else(
    talk: Path, ann: Voiceprint, config: Config
) -> None:
    assert ann.usual_voice is not None
    assert len(ann.usual_voice.voices) == 3
    Voiceprints().add(ann)
    (warm, told), (cold, told_cold) = heard(talk, config), heard(talk, without(config))
    assert [(e.speaker, e.name) for e in warm if isinstance(e, SpeakerName)] == [("S1", "Ann")]
    assert any("enrolled usual voices" in one and "Ann" in one and "--no-usual-voice" in one for one in told)
    assert not any("usual" in one for one in told_cold)
    mine, others = by(warm, "S1"), by(warm, "S2")
    assert len(mine) >= 3
    assert len(others) >= 2
    for utterance_id in mine:
        assert not alike(frozen(warm)[utterance_id], frozen(cold)[utterance_id])
    for utterance_id in others:
        assert alike(frozen(warm)[utterance_id], frozen(cold)[utterance_id])


def test_live_and_offline_and_every_block_size_give_the_same(talk: Path, ann: Voiceprint, config: Config) -> None:
    Voiceprints().add(ann)
    config = msgspec.structs.replace(config, dialogue=DialogueConfig(context=8, revise=2, revision_step=0.0))
    reference, _ = heard(talk, config)
    assert any(isinstance(event, SpeakerName) for event in reference)
    for block_ms, live in ((333.0, False), (20.0, True)):
        assert settled(heard(talk, config, block_ms=block_ms, live=live)[0]) == settled(reference), (block_ms, live)


def test_what_another_checkpoint_heard_is_told_and_left_alone(talk: Path, ann: Voiceprint, config: Config) -> None:
    assert ann.usual_voice is not None
    other = msgspec.structs.replace(ann.usual_voice, statistics="3" * 64, checkpoint="other-2")
    Voiceprints().add(msgspec.structs.replace(ann, usual_voice=other))
    (events, told), (cold, _) = heard(talk, config), heard(talk, without(config))
    assert [e.name for e in events if isinstance(e, SpeakerName)] == ["Ann"]
    assert settled(events) == settled(cold)
    assert any("usual voice of Ann was enrolled for other-2" in sentence for sentence in told)


class Told:
    """What a dialogue is told of usual voices."""

    def __init__(self) -> None:
        self.usual: dict[str, tuple[Voice, ...]] = {}

    def begin_with(self, speaker: str, usual: tuple[Voice, ...]) -> None:
        self.usual[speaker] = usual


class AtOnce:
    def run(self, work: Callable[[], T], give_up: GiveUp[NoAnswer]) -> T:
        return work()


def test_it_goes_by_the_name_that_a_person_gives_too(ann: Voiceprint, config: Config) -> None:
    Voiceprints().add(ann)
    who, told = WhoSpeaks(config, AtOnce()), Told()
    for name, count in (("ann", 3), ("Ben", 0), ("Ann", 3), (None, 0)):
        who.names.call("S1", name)
        assert [event.name for event in who.news(told)] == [name]
        assert len(told.usual["S1"]) == count
    off = WhoSpeaks(without(config), AtOnce())
    off.names.call("S2", "Ann")
    assert list(off.news(told))
    assert "S2" not in told.usual


def test_where_nobody_is_enrolled_that_is_said(config: Config) -> None:
    assert any("nobody's usual voice" in sentence for sentence in WhoSpeaks(config, AtOnce()).remarks)
    assert WhoSpeaks(without(config), AtOnce()).remarks == []


def test_a_damaged_one_and_none_are_told(ann: Voiceprint, config: Config) -> None:
    manifest = read_manifest(config.model.checkpoint)
    for data in (bytes(8), bytes(7), packed(torch.full((WIDTH,), torch.nan)) or b""):
        usual = UsualVoice(statistics=manifest.voice_statistics_id or "", checkpoint=manifest.id, voices=[data])
        found = UsualVoices([msgspec.structs.replace(ann, usual_voice=usual)], manifest)
        assert found.of("Ann") == ()
        assert any("it is not used" in sentence for sentence in found.remarks)
    nobody = UsualVoices([voiceprint("Ben")], manifest)
    assert any("nobody's usual voice is enrolled" in sentence for sentence in nobody.remarks)


def test_a_checkpoint_without_baselines_says_that_it_has_none(ann: Voiceprint, checkpoint: Path) -> None:
    found = UsualVoices([ann], read_manifest(checkpoint))
    assert found.of("Ann") == ()
    assert len(found.remarks) == 1
    assert "usually sounds" in found.remarks[0]


def test_what_is_kept_is_what_the_encoder_gives_and_goes_by_the_name(ann: Voiceprint, config: Config) -> None:
    manifest = read_manifest(config.model.checkpoint)
    assert ann.usual_voice is not None
    found = UsualVoices([ann, voiceprint("Ben")], manifest)
    assert [packed(voice.statistics) for voice in found.of("ANN")] == ann.usual_voice.voices
    assert found.of("ann")[0] is found.of("Ann")[0]  # the same voice: nothing is judged anew without need
    assert found.of("Ben") == found.of(None) == ()


def test_other_heads_over_the_same_layers_share_it_and_other_layers_do_not(config: Config) -> None:
    mine, shipped = read_manifest(config.model.checkpoint), read_manifest()
    assert mine.voice_statistics_id != shipped.voice_statistics_id
    other_head = msgspec.structs.replace(shipped, speech=msgspec.structs.replace(shipped.speech, sha256="4" * 64))
    assert other_head.voice_statistics_id == shipped.voice_statistics_id
