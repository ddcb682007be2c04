"""What speakers are called: enrolled voices that are recognised, strangers who are not, and what a person says."""

from __future__ import annotations

import numpy as np
from helpers.voiceprints import voiceprint
from hypothesis import given
from hypothesis import strategies as st

from livemerc.events import SpeakerName, SpeakerStatus, UtteranceSpeaker
from livemerc.speakers.mixture import Sample
from livemerc.speakers.names import APART, KEPT, NEAR, EnrolledVoices, SpeakerNames

ANN, BEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
STRANGER = (0.0, 0.0, 1.0)


def enrolled() -> EnrolledVoices:
    return EnrolledVoices([voiceprint("Ann", ANN), voiceprint("Ben", BEN)])


class Talk:
    """Utterances of a conversation in which somebody else tells the speakers."""

    def __init__(self, names: SpeakerNames) -> None:
        self.names = names
        self.count = 0

    def say(
        self, speaker: str | None, voice: tuple[float, ...], *, s: float = 4.0, status: SpeakerStatus = "provisional"
    ) -> list[tuple[str, str | None]]:
        self.count += 1
        self.names.heard(f"u{self.count}", Sample(np.array(voice), min(1.5, s / 2)), s)
        return self.tell(self.count, speaker, status)

    def tell(self, number: int, speaker: str | None, status: SpeakerStatus) -> list[tuple[str, str | None]]:
        self.names.told(
            UtteranceSpeaker(
                utterance_id=f"u{number}", speaker=speaker, confidence=0.9, revision=0, status=status
            )
        )  # fmt: skip
        return self.news()

    def news(self) -> list[tuple[str, str | None]]:
        return [(event.speaker, event.name) for event in self.names.news()]


def test_an_enrolled_voice_is_called_by_its_name_once_and_a_stranger_by_none() -> None:
    talk = Talk(SpeakerNames(enrolled()))
    assert talk.say("S1", ANN) == [("S1", "Ann")]
    assert talk.say("S2", STRANGER) == []
    assert talk.say("S1", ANN) == []
    assert talk.say("S3", BEN) == [("S3", "Ben")]
    assert talk.tell(1, "S1", "frozen") == []


def test_little_voice_names_nobody() -> None:
    talk = Talk(SpeakerNames(enrolled()))
    assert talk.say("S1", ANN, s=1.5) == []
    assert talk.say("S1", ANN, s=2.0) == [("S1", "Ann")]


def test_a_voice_between_two_voiceprints_has_no_name() -> None:
    between = (0.7, 0.68, 0.1)
    assert Talk(SpeakerNames(enrolled())).say("S1", between) == []


def test_a_name_is_taken_back_where_the_voice_turns_out_to_be_anothers() -> None:
    talk = Talk(SpeakerNames(enrolled()))
    assert talk.say("S1", ANN) == [("S1", "Ann")]
    assert talk.say("S1", STRANGER) == []  # half of it: still near
    assert talk.say("S1", STRANGER) == [("S1", None)]


def test_an_utterance_that_was_somebody_elses_counts_for_them() -> None:
    talk = Talk(SpeakerNames(enrolled()))
    assert talk.say("S1", ANN) == [("S1", "Ann")]
    assert talk.tell(1, "S2", "revised") == [("S2", "Ann"), ("S1", None)]
    assert talk.names.voice_of("S1") is None
    voice = talk.names.voice_of("S2")
    assert voice is not None
    assert (voice.voiced_s, voice.utterances) == (4.0, 1)


def test_what_a_person_says_counts_and_no_voice_changes_it() -> None:
    talk = Talk(SpeakerNames(enrolled()))
    talk.names.call("S1", "Mia")
    assert talk.news() == [("S1", "Mia")]
    assert talk.say("S1", ANN) == []
    talk.names.call("S1", None)
    assert talk.news() == [("S1", None)]
    assert talk.say("S1", ANN) == []


def test_nobody_is_recognised_where_nobody_is_enrolled_and_voices_are_known_all_the_same() -> None:
    for names in (SpeakerNames(), SpeakerNames(EnrolledVoices([]))):
        talk = Talk(names)
        assert talk.say("S1", ANN) == []
        talk.names.call("left", "Ann")  # a channel
        assert talk.names.news() == [SpeakerName(speaker="left", name="Ann")]
        assert names.voice_of("S1") is not None
        assert names.voice_of("left") is None


def test_what_is_unknown_is_nobodys_voice() -> None:
    talk = Talk(SpeakerNames(enrolled()))
    assert talk.say(None, ANN) == []
    assert talk.tell(1, None, "frozen") == []


vectors = st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4).filter(lambda v: np.linalg.norm(v) > 1e-3)


@given(st.lists(vectors, min_size=1, max_size=5), vectors, st.floats(0.01, 100), st.randoms())
def test_a_name_needs_nearness_and_a_margin_whatever_the_order_or_the_level(means, voice, factor, random) -> None:
    prints = [voiceprint(f"Person {number}", mean) for number, mean in enumerate(means)]
    shuffled = list(prints)
    random.shuffle(shuffled)
    found = EnrolledVoices(prints).name_of(np.array(voice))
    near = EnrolledVoices(prints).near(np.array(voice))
    best, *others = sorted(near.values(), reverse=True)
    edge = min(abs(best - NEAR), *(abs(best - other - APART) for other in others), 1.0)
    if edge > 1e-6:  # a tie of thresholds may round either way
        assert EnrolledVoices(shuffled).name_of(np.array(voice)) == found
        assert EnrolledVoices(prints).name_of(factor * np.array(voice)) == found
    if found is not None:
        assert near[found] == best >= NEAR
        assert all(best - other >= APART for other in others)
    for name in near:
        again = EnrolledVoices(prints).name_of(np.array(voice), name)
        assert again is None or near[again] >= KEPT
