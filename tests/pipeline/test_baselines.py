"""A voice against its speaker's own usual: causal, bounded, exact whatever is revised, withdrawn or taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
import torch
from helpers.networks import merits
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from livemerc.config import DialogueConfig
from livemerc.events import EmotionEvent
from livemerc.model.checkpoint import Abstention
from livemerc.model.voice import VoiceBranch
from livemerc.pipeline.abstention import Cues, Doubt
from livemerc.pipeline.baselines import KEPT, SPEAKERS, Baselines
from livemerc.pipeline.dialogue import Dialogue
from livemerc.pipeline.judging import answer, s1_in_turn
from livemerc.pipeline.no_answer import NoAnswer

T = TypeVar("T")

MODEL = merits(baselines=True)
assert isinstance(MODEL.speech, VoiceBranch)
WIDTH = MODEL.speech.head.config.width
CUES = Cues(duration_s=2.0)
NAMES = ("ann", "ben", None)


def voices(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(seed))


def dialogue_of(context: int = 6, revise: int = 2) -> Dialogue:
    return Dialogue(MODEL, DialogueConfig(context=context, revise=revise, revision_step=0.0), Abstention())


def provisional(events: list[EmotionEvent]) -> EmotionEvent:
    (first,) = [event for event in events if event.status == "provisional"]
    return first


def alike(one: EmotionEvent, other: EmotionEvent) -> bool:
    return one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


# -- which voices ------------------------------------------------------------------------------------------------------


def test_a_baseline_is_of_the_newest_voices_of_its_speaker() -> None:
    baselines: Baselines[int] = Baselines()
    for number in range(100):
        baselines.enter(("ann", "ben")[number % 2], number)
        baselines.enter(None, -number)
    assert baselines.of("ann") == tuple(range(98 - 2 * (KEPT - 1), 99, 2))
    assert baselines.of("ben")[-1] == 99
    assert baselines.of("eve") == baselines.of(None) == ()


def test_of_too_many_speakers_the_one_heard_least_recently_begins_anew() -> None:
    baselines: Baselines[int] = Baselines()
    for number in range(SPEAKERS):
        baselines.enter(str(number), number)
    baselines.enter("0", 100)
    baselines.enter("one more", 101)
    assert baselines.of("0") == (0, 100)
    assert baselines.of("1") == ()
    assert len(baselines.everybody()) == SPEAKERS + 1
    baselines.enter("1", 102)
    assert baselines.of("1") == (102,)


# -- what they change --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [1, 3, 32])
def test_an_utterance_is_judged_against_all_that_its_speaker_said_before(context: int) -> None:
    """The live dialogue gives what a batch over the window gives, with S1 of each voice against the earlier ones."""
    n = 40
    said, names = voices(n), [NAMES[i % 3] for i in range(n)]
    rows = s1_in_turn(MODEL, list(said), names)
    for i, name in enumerate(names):
        earlier = torch.stack([v for v, who in zip(said[:i], names, strict=False) if who == name] or [said[0]])
        cold = name is None or i < 3
        baseline = MODEL.baseline_of(earlier[:0] if cold else earlier[-KEPT:])
        torch.testing.assert_close(rows[i], MODEL.voice_of(said[i][None], baseline[None])[0], atol=1e-5, rtol=0)
    dialogue = dialogue_of(context)
    s1 = torch.stack([row for row in rows if row is not None])
    for i in range(n):
        live = provisional(dialogue.add(str(i), None, said[i], CUES, speaker=names[i]))
        w = slice(max(0, i + 1 - context), i + 1)
        width = w.stop - w.start
        nothing, all_there = torch.zeros(1, width, 32), torch.ones(1, width, dtype=torch.bool)
        out = MODEL.window(nothing, s1[w][None], ~all_there, all_there, torch.tensor([width]))
        assert list(live.probabilities.values()) == pytest.approx(out.fused[0, -1].tolist(), abs=1e-5)


def test_nobody_known_is_judged_against_everybodys_mean() -> None:
    said = voices(6)
    warm = dialogue_of(context=1)
    for i in range(5):
        warm.add(str(i), None, said[i], CUES, speaker="ann")
    cold = dialogue_of(context=1).add("5", None, said[5], CUES)
    assert alike(provisional(warm.add("5", None, said[5], CUES)), provisional(cold))
    assert not alike(provisional(warm.add("6", None, said[5], CUES, speaker="ann")), provisional(cold))
    assert alike(provisional(warm.add("7", None, said[5], CUES, speaker="ben")), provisional(cold))


@settings(deadline=None, max_examples=20)
@given(others=st.lists(st.integers(0, 8), max_size=8), seed=st.integers(0, 1000))
def test_what_others_say_is_not_in_it(others: list[int], seed: int) -> None:
    said = voices(18, seed)
    alone, among = dialogue_of(context=1), dialogue_of(context=1)
    for i in range(9):
        for _ in range(others.count(i)):
            among.add(f"other {i}", None, said[9 + i], CUES, speaker=NAMES[i % 2 + 1])
        one, other = (d.add(str(i), None, said[i], CUES, speaker="ann") for d in (alone, among))
        assert provisional(one).probabilities == provisional(other).probabilities


@settings(deadline=None, max_examples=20)
@given(cut=st.integers(1, 11), seed=st.integers(0, 1000))
def test_what_comes_later_changes_nothing_that_was_frozen(cut: int, seed: int) -> None:
    one, other = voices(12, seed), voices(12, seed + 1)
    frozen = []
    for said in (one, torch.cat([one[:cut], other[cut:]])):
        dialogue = dialogue_of()
        events = [e for i in range(12) for e in dialogue.add(str(i), None, said[i], CUES, speaker=NAMES[i % 2])]
        frozen.append({e.utterance_id: e for e in events if e.status == "frozen"})
    for u in range(cut - 2):  # R = 2: frozen by then
        assert frozen[0][str(u)] == frozen[1][str(u)]


# -- whatever happens meanwhile ----------------------------------------------------------------------------------------


class Failed(Exception):
    """Of the model."""


def failing(work: Callable[[], T], /) -> T:
    work()
    raise Failed


@dataclass
class Said:
    """What is known of an utterance that counts."""

    name: str
    voice: Tensor | None
    speaker: str | None
    settled: bool
    t1: Tensor | None = None
    unjudged: bool = False


@dataclass
class Conversation:
    """A dialogue to which things happen, and what counts of it."""

    dialogue: Dialogue = field(default_factory=dialogue_of)
    counts: list[Said] = field(default_factory=list)
    events: list[EmotionEvent] = field(default_factory=list)
    number: int = 0

    def happens(self, what: str, pick: int, speaker: str | None, settled: bool, fails: bool) -> None:
        """One thing; where the model `fails`, nothing."""
        self.number += 1
        name, run = str(self.number), failing if fails else at_once_
        voice, t1 = voices(1, self.number)[0], torch.randn(32, generator=torch.Generator().manual_seed(self.number))
        still_open = [said for said in self.counts if self.dialogue.is_open(said.name)]
        chosen = still_open[pick % len(still_open)] if still_open else None
        found: list[EmotionEvent] = []
        try:
            if what == "add":
                found = self.dialogue.add(name, None, voice, CUES, run, speaker=speaker, settled=settled)
                self.counts.append(Said(name, voice, speaker, settled))
            elif what == "unjudged":
                found = self.dialogue.add_unjudged(name, CUES, NoAnswer.FAILED)
                self.counts.append(Said(name, None, speaker, True, unjudged=True))
            elif what == "no speech":
                found = self.dialogue.add_no_speech(name, CUES)
            elif what == "partial":
                self.dialogue.partial(name, voice, CUES, run, speaker=speaker)
            elif what == "taken back":
                self.dialogue.undo(self.dialogue.begin(name, None, voice, CUES, speaker=speaker))
            elif what == "quiet":
                found = self.dialogue.freeze_all()
            elif chosen is not None and what == "withdraw":
                found = self.dialogue.withdraw(chosen.name, Doubt.ECHO)
                self.counts.remove(chosen)
            elif chosen is not None and what == "words" and not chosen.unjudged:
                found = self.dialogue.add_words(chosen.name, "well", t1, CUES, run, speaker=speaker)
                chosen.t1, chosen.speaker = t1, speaker or chosen.speaker
            elif chosen is not None and what == "speaker":
                found = self.dialogue.set_speaker(chosen.name, speaker, run, settled=settled)
                chosen.speaker, chosen.settled = speaker, settled
        except Failed:
            pass
        self.events += found

    def again(self) -> Dialogue:
        """A new one that saw only what counts, as it is known now."""
        fresh = dialogue_of()
        for said in self.counts:
            if said.unjudged:
                fresh.add_unjudged(said.name, CUES, NoAnswer.FAILED)
            else:
                settled = said.settled or not self.dialogue.is_open(said.name)
                fresh.add(said.name, said.t1, said.voice, CUES, speaker=said.speaker, settled=settled)
        return fresh


def at_once_(work: Callable[[], T], /) -> T:
    return work()


HAPPENINGS = ("add", "add", "add", "unjudged", "no speech", "partial", "taken back", "quiet", "withdraw", "words",
              "speaker", "speaker")  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(
    things=st.lists(
        st.tuples(
            st.sampled_from(HAPPENINGS), st.integers(0, 5), st.sampled_from(NAMES), st.booleans(),
            st.sampled_from([False, False, False, True]),
        ),
        max_size=25,
    )
)  # fmt: skip
def test_only_what_counts_leaves_a_trace(things: list[tuple[str, int, str | None, bool, bool]]) -> None:
    conversation = Conversation()
    for thing in things:
        conversation.happens(*thing)
    fresh = conversation.again()
    probe = voices(1, 999)[0]
    for name in NAMES:
        now, expected = (d.partial("probe", probe, CUES, speaker=name) for d in (conversation.dialogue, fresh))
        assert alike(now, expected), (name, now.probabilities, expected.probabilities)
    frozen = Counter(event.utterance_id for event in conversation.events if event.status == "frozen")
    assert set(frozen.values()) <= {1}
    seen: set[str] = set()
    for event in conversation.events:
        assert event.utterance_id not in seen
        seen |= {event.utterance_id} if event.status == "frozen" else set()


def test_a_speaker_found_later_revises_the_open_utterances_and_no_frozen_one() -> None:
    said = voices(6)
    dialogue = dialogue_of(revise=2)
    for i in range(3):
        dialogue.add(str(i), None, said[i], CUES, speaker="ann")
    dialogue.add("3", None, said[3], CUES, speaker="ben", settled=False)
    dialogue.add("4", None, said[4], CUES, speaker="ann")
    revised = dialogue.set_speaker("3", "ann")
    assert {e.utterance_id for e in revised} <= {"3", "4"}
    assert {e.status for e in revised} == {"revised"}
    known = dialogue_of(revise=2)
    for i in range(5):
        last = known.add(str(i), None, said[i], CUES, speaker="ann")
    assert alike(next(e for e in revised if e.utterance_id == "4"), provisional(last))
    assert dialogue.set_speaker("3", "ann") == []


def test_a_voice_enters_once_its_speaker_is_settled_or_its_label_frozen() -> None:
    said = voices(4)

    def probe(dialogue: Dialogue) -> EmotionEvent:
        return dialogue.partial("probe", said[3], CUES, speaker="ann")

    # the window holds the probe alone, or the open utterance, too: so it is compared with one of nobody known
    unsure, unknown, sure = (dialogue_of() for _ in range(3))
    unsure.add("0", None, said[0], CUES, speaker="ann", settled=False)
    unknown.add("0", None, said[0], CUES)
    sure.add("0", None, said[0], CUES, speaker="ann")
    assert alike(probe(unsure), probe(unknown))
    assert not alike(probe(unsure), probe(sure))
    assert unsure.set_speaker("0", "ann") == []  # its own estimate stands: nothing was said before it
    assert alike(probe(unsure), probe(sure))
    frozen = dialogue_of()
    frozen.add("0", None, said[0], CUES, speaker="ann", settled=False)
    frozen.freeze_all()
    assert alike(probe(frozen), probe(sure))


def test_a_speaker_that_the_model_failed_on_stays_who_it_was() -> None:
    said = voices(3)
    dialogue, other = dialogue_of(), dialogue_of()
    for d in (dialogue, other):
        d.add("0", None, said[0], CUES, speaker="ann")
        d.add("1", None, said[1], CUES, speaker="ben")
    with pytest.raises(Failed):
        dialogue.set_speaker("1", "ann", failing)
    with pytest.raises(Failed):
        dialogue.add_words("1", "well", torch.zeros(32), CUES, failing, speaker="ann")
    for name in NAMES:
        one, expected = (d.partial("probe", said[2], CUES, speaker=name) for d in (dialogue, other))
        assert one.probabilities == expected.probabilities


# -- what leaves no mark, and what it costs ----------------------------------------------------------------------------


def test_minutes_of_laughter_and_music_leave_no_mark_on_a_baseline() -> None:
    said = voices(8)
    dialogue, undisturbed = dialogue_of(), dialogue_of()
    for i in range(8):
        for d in (dialogue, undisturbed):
            d.add(str(i), None, said[i], CUES, speaker="ann")
    for i in range(200):
        dialogue.add_no_speech(f"laughter {i}", CUES)
        loud = 10 * voices(1, 100 + i)[0]
        dialogue.partial(f"music {i}", loud, CUES, speaker="ann")
    heard = dialogue.add("echo", None, 10 * said[0], CUES, speaker="ann")
    undisturbed.freeze_all()
    dialogue.withdraw("echo", Doubt.ECHO)
    dialogue.freeze_all()
    assert provisional(heard).abstained != Doubt.ECHO.value
    before, now = (torch.stack([v.statistics for v in d._baselines.of("ann")]) for d in (undisturbed, dialogue))
    assert torch.equal(before, now)


def test_a_minute_of_shouting_is_forgotten() -> None:
    """Once as many quiet utterances have come as a baseline holds, nothing of it is left."""
    quiet, loud = voices(KEPT), 8 + voices(12, 1)
    shouted, never = dialogue_of(context=1), dialogue_of(context=1)
    for i, voice in enumerate(loud):
        shouted.add(f"loud {i}", None, voice, CUES, speaker="ann")
    for i, voice in enumerate(quiet):
        for dialogue in (shouted, never):
            dialogue.add(str(i), None, voice, CUES, speaker="ann")
    probe = voices(1, 7)[0]
    one, other = (d.partial("probe", probe, CUES, speaker="ann") for d in (shouted, never))
    assert one.probabilities == other.probabilities


def test_neither_memory_nor_work_grows_with_ten_thousand_utterances() -> None:
    dialogue = dialogue_of(context=2, revise=1)
    said = voices(100)
    unheard, earlier = Counter[int](), Counter[int]()
    for i in range(10_000):
        name = f"speaker {(i // 50) % 100}" if i % 7 else "ann"
        begun = dialogue.begin(str(i), None, said[i % 100], CUES, speaker=name)
        unheard[len(begun.question.unheard)] += 1
        earlier.update(len(one.earlier) for one in begun.question.unheard)
        if i % 50 == 0:
            dialogue.settle(begun, answer(MODEL, [begun.question])[0])
        else:  # to its baseline without the networks, which take 10 ms
            dialogue.undo(begun)
            dialogue.recall(name, said[i % 100])
    assert max(unheard) <= 2
    assert max(earlier) == KEPT
    assert len(dialogue._baselines.everybody()) <= KEPT * SPEAKERS
    assert (len(dialogue._window), len(dialogue._open)) == (2, 1)


def test_without_a_baseline_a_voice_is_s1_itself_and_nothing_is_kept() -> None:
    plain = merits()
    s1 = torch.randn(5, 7)
    named, nameless = (Dialogue(plain, DialogueConfig(), Abstention()) for _ in range(2))
    for i in range(5):
        one = named.add(str(i), None, s1[i], CUES, speaker="ann")
        assert one == nameless.add(str(i), None, s1[i], CUES)
    named.freeze_all()
    named.recall("ann", s1[0])
    assert named._baselines.everybody() == frozenset()
