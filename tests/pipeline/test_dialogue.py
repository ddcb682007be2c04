"""The rolling window: live = batch over the same window, revisions, freezing, causality, bounded cost and memory."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest
import torch
from helpers.networks import merits, random_dialogue
from hypothesis import given, settings
from hypothesis import strategies as st

from livemerc.config import DialogueConfig
from livemerc.events import EmotionEvent, Modality
from livemerc.model.checkpoint import Abstention
from livemerc.model.merits import WindowProbabilities
from livemerc.pipeline.abstention import Cues, Doubt, abstention_reason
from livemerc.pipeline.dialogue import Dialogue
from livemerc.pipeline.judging import answer

MODEL = merits(both=1.3, text_only=0.8, speech_only=2.0)
CUES = Cues(duration_s=2.0)


def run(n: int, config: DialogueConfig, seed: int = 0, changed_from: int | None = None) -> list[EmotionEvent]:
    """Events of a random dialogue; from utterance `changed_from` on it is another one."""
    t1, s1, has_text, has_speech = random_dialogue(n, seed)
    if changed_from is not None:
        other = random_dialogue(n, seed + 1000)
        t1, s1, has_text, has_speech = (
            torch.cat([a[:changed_from], b[changed_from:]])
            for a, b in zip((t1, s1, has_text, has_speech), other, strict=True)
        )
    dialogue = Dialogue(MODEL, config, Abstention())
    events = []
    for i in range(n):
        events += dialogue.add(f"u{i}", t1[i] if has_text[i] else None, s1[i] if has_speech[i] else None, CUES)
    return events + dialogue.freeze_all()


def by_utterance(events: list[EmotionEvent]) -> dict[str, list[EmotionEvent]]:
    out: dict[str, list[EmotionEvent]] = defaultdict(list)
    for event in events:
        out[event.utterance_id].append(event)
    return out


@pytest.mark.parametrize("context", [1, 2, 5, 32])
def test_the_provisional_estimate_is_the_batch_run_over_the_same_window(context: int) -> None:
    n = 14
    t1, s1, has_text, has_speech = random_dialogue(n)
    provisional = [e for e in run(n, DialogueConfig(context=context)) if e.status == "provisional"]
    for t, event in enumerate(provisional):
        w = slice(max(0, t + 1 - context), t + 1)
        out = MODEL.window(
            t1[w][None], s1[w][None], has_text[w][None], has_speech[w][None], torch.tensor([w.stop - w.start])
        )
        expected = out.fused[0, -1].double()
        live = torch.tensor(list(event.probabilities.values()), dtype=torch.float64)
        torch.testing.assert_close(live, expected, atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 12), context=st.integers(1, 8), revise=st.integers(0, 9), seed=st.integers(0, 10_000))
def test_each_utterance_has_one_provisional_first_and_one_frozen_last(
    n: int, context: int, revise: int, seed: int
) -> None:
    per = by_utterance(run(n, DialogueConfig(context=context, revise=revise, revision_step=0.0), seed))
    assert list(per) == [f"u{i}" for i in range(n)]
    for events in per.values():
        assert [e.status for e in events] == ["provisional", *["revised"] * (len(events) - 2), "frozen"]
        assert [e.revision for e in events] == list(range(len(events)))
        assert len(events) - 2 <= min(revise, context - 1)
        for event in events:
            assert sum(event.probabilities.values()) == pytest.approx(1.0, abs=1e-9)
            assert event.confidence == max(event.probabilities.values()) == event.probabilities[event.label]


@settings(deadline=None, max_examples=30)
@given(cut=st.integers(1, 9), seed=st.integers(0, 10_000))
def test_later_utterances_change_nothing_that_was_frozen_before_them(cut: int, seed: int) -> None:
    config = DialogueConfig(context=6, revise=2, revision_step=0.0)
    one, other = (by_utterance(run(12, config, seed, changed_from=c)) for c in (None, cut))
    # u was frozen when utterance u + R came; what differs came after that.
    for u in range(cut - config.revise):
        assert one[f"u{u}"] == other[f"u{u}"]


def test_a_revision_is_sent_only_when_something_moved() -> None:
    config = DialogueConfig(context=8, revise=3)
    for events in by_utterance(run(40, config, seed=3)).values():
        for before, after in itertools.pairwise(events):
            if after.status == "revised":
                moved = max(abs(after.probabilities[k] - p) for k, p in before.probabilities.items())
                assert after.label != before.label or after.abstained != before.abstained or moved >= 0.05
    assert all(len(e) == 2 for e in by_utterance(run(20, DialogueConfig(revision_step=1.0, revise=0))).values())


def test_what_was_said_more_than_k_utterances_ago_has_no_influence() -> None:
    config = DialogueConfig(context=4, revise=1)
    t1, s1, has_text, has_speech = random_dialogue(30, seed=5)
    whole = {e.utterance_id: e for e in run(30, config, seed=5) if e.status == "provisional"}
    late = Dialogue(MODEL, config, Abstention())
    for i in range(10, 30):
        events = late.add(f"u{i}", t1[i] if has_text[i] else None, s1[i] if has_speech[i] else None, CUES)
        provisional = next(e for e in events if e.status == "provisional")
        if i >= 13:  # K = 4: the window no longer reaches utterance 9
            assert provisional == whole[f"u{i}"]


def test_memory_does_not_grow_with_the_session() -> None:
    dialogue = Dialogue(MODEL, DialogueConfig(context=4, revise=1), Abstention())
    t1, s1, _, _ = random_dialogue(1)
    for i in range(50):
        dialogue.add(f"u{i}", t1[0], s1[0], CUES)
    assert len(dialogue._window) == 4
    assert len(dialogue._open) == 1


def test_an_utterance_with_nothing_to_judge_gets_the_prior_and_says_so() -> None:
    events = Dialogue(MODEL, DialogueConfig(revise=0), Abstention()).add("u1", None, None, CUES)
    assert [e.abstained for e in events] == ["nothing to judge"] * 2
    assert list(events[0].probabilities.values()) == pytest.approx(list(MODEL.prior), abs=1e-6)
    assert events[0].modality == Modality()


def test_the_reason_of_an_abstention_is_the_likeliest_cause() -> None:
    unsure = dict.fromkeys(MODEL.labels, 1 / 7)
    joy = {**dict.fromkeys(MODEL.labels, 0.0), "joy": 1.0}
    anger = {**dict.fromkeys(MODEL.labels, 0.0), "anger": 1.0}
    rule = Abstention(min_confidence=0.4)
    both = Modality(text=joy, speech=anger)
    assert abstention_reason(joy, both, CUES, rule) is None
    assert abstention_reason(unsure, both, Cues(0.3), rule) is Doubt.SHORT
    assert abstention_reason(unsure, both, Cues(2.0, 0.1), rule) is Doubt.WORDS
    assert abstention_reason(unsure, both, Cues(2.0, 0.9), rule) is Doubt.DISAGREEMENT
    assert abstention_reason(unsure, Modality(text=joy), CUES, rule) is Doubt.CONFIDENCE


def test_a_partial_estimate_is_what_the_voice_alone_would_get_and_changes_nothing() -> None:
    n = 9
    t1, s1, _, _ = random_dialogue(n, seed=5)

    def said(with_partials: bool) -> tuple[list[EmotionEvent], list[EmotionEvent]]:
        dialogue = Dialogue(MODEL, DialogueConfig(context=4), Abstention())
        events, partials = [], []
        for i in range(n):
            if with_partials:
                partials += [dialogue.partial(f"u{i}", s1[i] * share, CUES) for share in (0.5, 1.0)]
            events += dialogue.add(f"u{i}", t1[i] if i % 2 else None, s1[i], CUES)
        return events + dialogue.freeze_all(), partials

    plain, _ = said(False)
    events, partials = said(True)
    assert events == plain
    assert {(e.status, e.revision) for e in partials} == {("partial", 0)}
    assert all(e.modality.text is None and e.modality.speech is not None for e in partials)
    provisional = {e.utterance_id: e for e in plain if e.status == "provisional"}
    for at, last in enumerate(partials[1::2]):
        if at % 2 == 0:  # an utterance without words: the last partial estimate is its first estimate
            assert last.probabilities == provisional[f"u{at}"].probabilities
            assert last.abstained == provisional[f"u{at}"].abstained
    assert partials[0].probabilities != partials[1].probabilities


def test_a_partial_estimate_that_fails_leaves_the_conversation_as_it_was() -> None:
    t1, s1, _, _ = random_dialogue(3, seed=6)

    def failing(_: object) -> WindowProbabilities:
        raise RuntimeError("no kernel")

    dialogues = [Dialogue(MODEL, DialogueConfig(), Abstention()) for _ in range(2)]
    for dialogue in dialogues:
        dialogue.add("u0", t1[0], s1[0], CUES)
    with pytest.raises(RuntimeError):
        dialogues[0].partial("u1", s1[1], CUES, failing)
    assert dialogues[0].add("u1", t1[1], s1[1], CUES) == dialogues[1].add("u1", t1[1], s1[1], CUES)


def test_windows_of_several_dialogues_in_one_pass_are_those_of_each() -> None:
    """`begin`, one pass for all, `settle`: as `add` for each; `undo`: as if nothing had been begun."""
    lengths = (1, 3, 8)
    alone = [Dialogue(MODEL, DialogueConfig(context=5), Abstention()) for _ in lengths]
    together = [Dialogue(MODEL, DialogueConfig(context=5), Abstention()) for _ in lengths]
    said = [random_dialogue(n + 1, seed=n) for n in lengths]
    for n, (t1, s1, _, _), a, b in zip(lengths, said, alone, together, strict=True):
        for i in range(n):
            assert a.add(f"u{i}", t1[i], s1[i], CUES) == b.add(f"u{i}", t1[i], s1[i], CUES)
    for d, (t1, s1, _, _) in zip(together, said, strict=True):
        d.undo(d.begin("never", t1[-1] + 1, s1[-1] + 1, CUES))
    begun = [d.begin("new", t1[-1], s1[-1], CUES) for d, (t1, s1, _, _) in zip(together, said, strict=True)]
    judged = answer(MODEL, [one.question for one in begun])
    for a, b, one, probabilities, (t1, s1, _, _) in zip(alone, together, begun, judged, said, strict=True):
        expected, found = a.add("new", t1[-1], s1[-1], CUES), b.settle(one, probabilities)
        assert [(e.utterance_id, e.status, e.revision, e.label) for e in found] == [
            (e.utterance_id, e.status, e.revision, e.label) for e in expected
        ]
        for e, f in zip(expected, found, strict=True):
            assert f.probabilities == pytest.approx(e.probabilities, abs=1e-6)
