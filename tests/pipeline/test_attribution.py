"""Why a label shifted: the one utterance without which the window would be judged otherwise."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
import torch
from helpers.networks import masked, merits, random_dialogue
from hypothesis import given, settings
from hypothesis import strategies as st

from livemerc.config import DialogueConfig
from livemerc.events import EmotionEvent, LabelShift
from livemerc.model.checkpoint import Abstention
from livemerc.model.merits import MeritsL, Window
from livemerc.pipeline import attribution
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.attribution import Cause, cause
from livemerc.pipeline.dialogue import Dialogue

MODEL = merits()
CUES = Cues(duration_s=2.0)
AT = 5


def built(monkeypatch: pytest.MonkeyPatch, decisive: Sequence[int], needed: int, lost: Sequence[float] = ()) -> None:
    """A model whose label is 1 as long as `needed` of `decisive` are heard, else 0; p of 1 falls by `lost` then."""

    def without_each(model: MeritsL, window: Window, others: Sequence[int], at: int) -> torch.Tensor:
        rows = [[0.1, 0.9]]
        for other in others:
            gone = other in decisive and len(decisive) - 1 < needed
            p = 0.4 - (dict(zip(decisive, lost or [0.0] * len(decisive), strict=True))[other] if gone else -0.5)
            rows.append([1 - p, p])
        return torch.tensor(rows)

    monkeypatch.setattr(attribution, "without_each", without_each)


def window(n: int = 8) -> Window:
    return Window(torch.zeros(n, 3), torch.zeros(n, 2), [True] * n, [True] * n)


def test_the_one_that_flips_the_label_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    built(monkeypatch, [2], 1)
    assert cause(MODEL, window(), AT, 1) == Cause(2)


def test_of_several_that_flip_it_the_one_that_takes_most(monkeypatch: pytest.MonkeyPatch) -> None:
    built(monkeypatch, [1, 3, 6], 3, [0.01, 0.09, 0.03])
    assert cause(MODEL, window(), AT, 1) == Cause(3)


def test_nothing_where_no_single_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    built(monkeypatch, [1, 3], 1)  # each is enough
    assert cause(MODEL, window(), AT, 1) == Cause(None)


def test_nothing_where_the_window_does_not_give_that_label_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    built(monkeypatch, [2], 1)
    assert cause(MODEL, window(), AT, 0) == Cause(None)


def test_neither_the_utterance_itself_nor_what_is_absent_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def without_each(model: MeritsL, window: Window, others: Sequence[int], at: int) -> torch.Tensor:
        asked.extend(others)
        return torch.full((1 + len(others), 2), 0.5)

    monkeypatch.setattr(attribution, "without_each", without_each)
    there = window()
    cause(MODEL, Window(there.t1, there.s1, [i != 2 for i in range(8)], [i not in (2, 3) for i in range(8)]), AT, 0)
    assert asked == [0, 1, 3, 4, 6, 7]


@settings(max_examples=25)
@given(st.integers(0, 500), st.integers(2, 12))
def test_one_pass_says_what_one_by_one_says(seed: int, n: int) -> None:
    t1, s1, has_text, has_speech = random_dialogue(n, seed)
    whole = Window(t1, s1, has_text.tolist(), has_speech.tolist())
    at = seed % n
    p = MODEL.windows([whole])[0].fused[at]
    label = int(p.argmax())
    lost = {}
    for other in range(n):
        row = MODEL.windows([masked(whole, other)])[0].fused[at]
        if other != at and int(row.argmax()) != label:
            lost[other] = float(row[label])
    found = cause(MODEL, whole, at, label).at
    assert (found is None) == (not lost)
    if found is not None:
        assert lost[found] == pytest.approx(min(lost.values()), abs=1e-6)


def test_numbers_that_are_none_are_an_error() -> None:
    broken = Window(torch.full((3, 32), torch.nan), torch.zeros(3, 7), [True] * 3, [True] * 3)
    with pytest.raises(ArithmeticError, match="not finite"):
        cause(MODEL, broken, 1, 0)


# -- in a dialogue ----------------------------------------------------------------------------------------------------


def run(n: int, seed: int, *, explain: bool) -> tuple[list[EmotionEvent], list[LabelShift]]:
    """A dialogue of two people whose labels are all told; explained after each utterance, or not at all."""
    t1, s1, has_text, has_speech = random_dialogue(n, seed)
    dialogue = Dialogue(MODEL, DialogueConfig(context=6, revise=2), Abstention(min_confidence=0.0))
    events: list[EmotionEvent] = []
    shifts = []

    def why() -> None:
        while explain and dialogue.unexplained:
            shift = dialogue.explain()
            assert shift is not None
            shifts.append(shift)

    for i in range(n):
        row = t1[i] if has_text[i] else None, s1[i] if has_speech[i] else None
        events += dialogue.add(f"u{i}", *row, CUES, speaker="ab"[i % 2])
        why()
    events += dialogue.freeze_all()
    why()
    return events, shifts


@pytest.mark.parametrize("seed", range(4))
def test_every_shift_of_a_speakers_settled_label_is_told_once_and_nothing_else(seed: int) -> None:
    events, shifts = run(20, seed, explain=True)
    frozen = {e.utterance_id: e for e in events if e.status == "frozen" and e.abstained is None}
    wanted = []
    for speaker in (0, 1):
        told = [e for name, e in frozen.items() if int(name[1:]) % 2 == speaker]
        wanted += [(b.utterance_id, a.utterance_id) for a, b in itertools.pairwise(told) if a.label != b.label]
    assert sorted((s.utterance_id, s.before) for s in shifts) == sorted(wanted)
    assert all(s.because != s.utterance_id for s in shifts)


def test_explaining_changes_no_label() -> None:
    assert run(20, 1, explain=True)[0] == run(20, 1, explain=False)[0]


def test_the_cause_is_that_of_the_window_in_which_the_label_was_settled() -> None:
    """Whenever it is asked: what came later has no part in it."""
    t1, s1, has_text, has_speech = random_dialogue(20, 3)
    at_once, later = (
        Dialogue(MODEL, DialogueConfig(context=6, revise=0), Abstention(min_confidence=0.0)) for _ in "ab"
    )
    told = []
    for i in range(20):
        row = t1[i] if has_text[i] else None, s1[i] if has_speech[i] else None
        for dialogue in (at_once, later):
            dialogue.add(f"u{i}", *row, CUES)
        while at_once.unexplained:
            told.append(at_once.explain())
    assert told
    assert any(shift is not None and shift.because is not None for shift in told)
    assert [later.explain() for _ in range(later.unexplained)] == told


def test_a_model_that_gives_no_answer_explains_nothing() -> None:
    t1, s1, _, _ = random_dialogue(20, 1)
    dialogue = Dialogue(MODEL, DialogueConfig(context=6, revise=0), Abstention(min_confidence=0.0))
    for i in range(20):
        dialogue.add(f"u{i}", t1[i], s1[i], CUES)
    waiting = dialogue.unexplained
    assert waiting
    assert dialogue.explain(lambda work: None) is None
    assert dialogue.unexplained == waiting - 1


def test_of_very_many_shifts_the_newest_wait() -> None:
    t1, s1, _, _ = random_dialogue(300, 1)
    dialogue = Dialogue(MODEL, DialogueConfig(context=6, revise=0), Abstention(min_confidence=0.0))
    for i in range(300):
        dialogue.add(f"u{i}", t1[i], s1[i], CUES)
    assert dialogue.unexplained == 32
