"""Pure parts of the screen: its plan, the curve, shifts, the strongest moments, words versus voice."""

from __future__ import annotations

import itertools
import random

import pytest
from helpers.scripted_monitor import emotion, final, spread, start
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from livemerc.config import load_config
from livemerc.dashboard.layout import VIEWS, plan
from livemerc.dashboard.palette import DARK, LIGHT, PALETTES, Palette, palette_for
from livemerc.dashboard.panels.rows import Columns, Marked, height, matches, render
from livemerc.dashboard.panels.wrapping import in_cells
from livemerc.dashboard.state import session as state_module
from livemerc.dashboard.state.branches import expressed, side_by_side
from livemerc.dashboard.state.course import Course
from livemerc.dashboard.state.session import SessionState
from livemerc.emotions import LABELS, expected_valence
from livemerc.errors import ConfigError
from livemerc.events import Status

# -- the plan ----------------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 300), st.integers(1, 90), st.sampled_from(VIEWS), st.integers(2, 12), st.booleans(),
    st.integers(0, 8), st.integers(0, 6),
)  # fmt: skip
def test_no_plan_needs_more_rows_than_there_are(
    width: int, rows: int, view: str, labels: int, marks: bool, speakers: int, trouble: int
) -> None:
    made = plan(width, rows, view=view, labels=labels, marks=marks, speakers=speakers, trouble=trouble)
    below = made.course + made.timeline + made.meter + made.status
    slot = sum(made.slot.values())
    assert all(count > 0 for count in made.slot.values())
    assert made.side_width < width or not made.side_width
    taken = 2 + trouble + below + (0 if made.side_width else slot)
    assert taken <= max(rows, 2 + trouble)
    if made.side_width:
        assert slot <= rows - 2 - trouble - below
    if rows >= 20 and trouble <= rows // 4:
        assert rows - taken >= 4  # the words
        assert made.slot


@pytest.mark.parametrize(("size", "shown"), [((60, 20), 1), ((80, 24), 1), ((120, 40), 2), ((200, 60), 3)])
def test_every_view_can_be_had_at_every_size(size: tuple[int, int], shown: int) -> None:
    made = [plan(*size, view=view, marks=True, speakers=2) for view in VIEWS]
    assert all(len(p.slot) == shown for p in made)
    always = {"course"} if made[0].course else set()
    assert always.union(*(p.slot for p in made)) == set(VIEWS)
    choices = made[0].choices
    assert all(any(choice in p.slot for p in made) for choice in choices)


# -- the course --------------------------------------------------------------------------------------------------------


def test_the_curve_is_the_mean_valence_of_the_voiced_time_and_unknown_in_silence() -> None:
    course = Course(column_s=1.0)
    course.add(0.0, 1.0, "joy", valence=0.8)
    course.add(1.0, 1.5, "anger", valence=-0.6)
    course.add(1.5, 2.0, "joy", valence=0.4)
    course.add(3.0, 4.0, "not sure", valence=None)
    assert course.curve(1.0, 6) == [pytest.approx(0.8), pytest.approx(-0.1), None, None, None, None]
    assert course.curve(2.0, 3) == [pytest.approx(0.35), None, None]
    course.add(0.0, 1.0, "joy", -1, valence=0.8)
    assert course.curve(1.0, 2) == [None, pytest.approx(-0.1)]


def test_the_valence_of_an_utterance_is_that_of_its_calibrated_probabilities_and_none_when_abstained() -> None:
    state = SessionState()
    for event in (
        start(), final(1, 0, 2, "a"), emotion(1, "joy", 0.7, second="anger"),
        final(2, 3, 5, "b"), emotion(2, "fear", 0.4, abstained="short"),
    ):  # fmt: skip
        state.apply(event)
    joy, unsure = (u.estimate for u in state.utterances)
    assert joy is not None
    assert unsure is not None
    assert joy.valence(state.labels) == pytest.approx(expected_valence(spread("joy", 0.7, "anger")))
    assert unsure.valence(state.labels) is None


@given(st.lists(st.tuples(st.floats(0, 900), st.floats(0.1, 20), st.sampled_from(LABELS)), max_size=30), st.data())
def test_what_was_merged_for_the_screen_before_is_merged_again_where_it_changed(
    said: list[tuple[float, float, str]], data: st.DataObject
) -> None:
    course, fresh = Course(max_columns=64), Course(max_columns=64)
    for start_s, length_s, label in said:
        for one in (course, fresh):
            one.add(start_s, start_s + length_s, label)
        width = data.draw(st.sampled_from([5, 11]))
        fresh._merged_by, fresh._changed = (0, []), 0
        assert course.strip(width, 0.0) == fresh.strip(width, 0.0)


def test_each_speaker_has_a_course_and_together_they_are_that_of_the_session() -> None:
    state = SessionState()
    dice = random.Random(1)
    for number in range(200):
        state.apply(final(number, number * 3.0, number * 3.0 + 2.0, "x", dice.choice(["Ann", "Ben"])))
        state.apply(emotion(number, dice.choice(LABELS), 0.6))
    columns, span_s = state.course.strip(50, state.duration_s)
    apart = [state.courses[name].columns_of(span_s, len(columns)) for name in ("Ann", "Ben")]
    for whole, *parts in zip(columns, *apart, strict=True):
        for label in LABELS:
            assert whole.get(label, 0.0) == pytest.approx(sum(part.get(label, 0.0) for part in parts))


# -- moments -----------------------------------------------------------------------------------------------------------


def naive_shifts(state: SessionState) -> list[float]:
    last: dict[str | None, str] = {}
    found = []
    for utterance in state.utterances:
        estimate = utterance.estimate
        if not utterance.final or estimate is None or estimate.abstained:
            continue
        if last.get(utterance.speaker, estimate.label) != estimate.label:
            found.append(utterance.start_s)
        last[utterance.speaker] = estimate.label
    return found


def test_shifts_are_of_the_same_speaker_follow_revisions_and_leave_out_what_is_not_sure() -> None:
    state = SessionState()
    dice = random.Random(7)
    for number in range(300):
        state.apply(final(number, number * 2.0, number * 2.0 + 1.5, "x", dice.choice(["Ann", "Ben", None])))
        unsure = "short" if dice.random() < 0.2 else None
        state.apply(emotion(number, dice.choice(LABELS[:3]), 0.6, abstained=unsure))
        if number and dice.random() < 0.4:
            earlier = number - dice.randint(1, min(3, number))
            state.apply(emotion(earlier, dice.choice(LABELS[:3]), 0.7, status="revised", revision=1))
        if dice.random() < 0.5:
            assert state.shifts_s() == naive_shifts(state)
    assert len(state.shifts_s()) > 50


def test_the_strongest_are_the_surest_that_are_not_neutral_and_follow_revisions() -> None:
    state = SessionState()
    for number, (label, sure, abstained) in enumerate(
        [("joy", 0.7, None), ("neutral", 0.99, None), ("anger", 0.9, None), ("fear", 0.95, "short"), ("joy", 0.5, None)]
    ):
        state.apply(final(number, number * 2.0, number * 2.0 + 1, "x"))
        state.apply(emotion(number, label, sure, abstained=abstained))
    state.apply(final(9, 20.0, 20.2, "!"))  # too short to point at
    state.apply(emotion(9, "anger", 0.99))
    assert [u.utterance_id for u in state.strongest(5)] == ["u2", "u0", "u4"]
    state.apply(emotion(2, "neutral", 0.8, status="revised", revision=1))
    assert [u.utterance_id for u in state.strongest(5)] == ["u0", "u4"]


def test_what_is_lost_is_noted_once_where_it_was_noticed() -> None:
    state = SessionState()
    for t_s, dropped_s in ((1.0, 0.0), (2.0, 0.5), (3.0, 0.5), (9.0, 2.0)):
        state.apply(Status(t_s=t_s, lag_s=0, queued={}, dropped_s=dropped_s))
    assert [(lost.t_s, lost.lost_s) for lost in state.lost] == [(2.0, 0.5), (9.0, 1.5)]


def test_the_oldest_leave_the_screen_and_the_figures_keep_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "UTTERANCES_KEPT", 50)
    monkeypatch.setattr(state_module, "_LOT", 10)
    state = SessionState()
    for number in range(200):
        state.apply(final(number, number * 2.0, number * 2.0 + 1, "x"))
        state.apply(emotion(number, LABELS[number % 2], 0.6))
    assert len(state.utterances) <= 60
    assert state.forgotten + len(state.utterances) == 200
    assert state.take_left() == state.forgotten
    assert len(state.shifts_s()) == 199
    assert sum(state.course.totals_s.values()) == pytest.approx(200.0)


# -- words and voice ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        ({"neutral": 0.8}, "neutral"),
        ({"anger": 0.5}, "angry"),
        ({"anger": 0.4, "fear": 0.3}, "tense"),
        ({"joy": 0.35, "surprise": 0.3}, "lively"),
        ({"sadness": 0.4, "disgust": 0.25}, "low"),
        ({"joy": 0.4, "anger": 0.3}, "unclear"),
    ],
)
def test_a_branch_is_named_no_surer_than_it_is(probabilities: dict[str, float], said: str) -> None:
    assert expressed(LABELS, tuple(probabilities.get(label, 0.0) for label in LABELS)) == said


def test_words_and_voice_side_by_side() -> None:
    def told(words: tuple[str, float] | None, voice: tuple[str, float] | None) -> str:
        state = SessionState()
        state.apply(final(1, 0, 1, "x"))
        state.apply(emotion(1, "joy", 0.5, words=words, voice=voice))
        estimate = state.utterances[0].estimate
        assert estimate is not None
        return side_by_side(LABELS, estimate)

    assert told(("neutral", 0.8), ("anger", 0.6)) == "words neutral, voice angry"
    assert told(("sadness", 0.8), ("sadness", 0.6)) == "words and voice sad"
    assert told(None, ("fear", 0.6)) == "voice fearful, no words"
    assert told(("joy", 0.9), None) == "words joyful, voice not judged"
    assert told(None, None) == "neither words nor voice to judge"


# -- rows --------------------------------------------------------------------------------------------------------------

anything = st.text(max_size=80) | st.text(alphabet="ab 中文字שלוםعربي👍🏽👩‍👧é́\x1b[]m", max_size=80)


@given(anything, anything, st.text(alphabet="ab中ש ", max_size=3), st.booleans(), st.integers(40, 120))
def test_marked_rows_are_as_wide_as_the_others(text: str, speaker: str, sought: str, chosen: bool, width: int) -> None:
    state = SessionState()
    state.apply(final(1, 0, 1, text, speaker))
    state.apply(emotion(1, "joy", 0.6))
    utterance = state.utterances[0]
    columns = Columns(width, speaker=6)
    plain = render(utterance, columns, PALETTES[0])
    marked = render(utterance, columns, PALETTES[0], Marked(True, chosen, sought.lower()))
    assert len(marked) == len(plain) == height(utterance, columns)
    for bare, row in zip(plain, marked, strict=True):
        drawn = "".join(segment.text for segment in row)
        assert drawn[1:].startswith("".join(segment.text for segment in bare)[1:])
        if chosen:  # to the edge, by the cells of what is drawn piece by piece
            assert sum(cell_len(segment.text) for segment in row) == width


def test_what_is_sought_is_found_whatever_its_case_and_lit_wherever_it_stands() -> None:
    state = SessionState()
    state.apply(final(1, 0, 1, "You said you would. YOU!", "Ann"))
    utterance = state.utterances[0]
    assert matches(utterance, "you")
    assert matches(utterance, "ann")
    assert not matches(utterance, "joy")
    state.apply(emotion(1, "joy", 0.6))
    assert matches(utterance, "joy")
    rows = render(utterance, Columns(100, speaker=4), DARK, Marked(query="you"))
    lit = [s.text for row in rows for s in row if s.style == DARK.found]
    assert lit == ["You", "you", "YOU"]


@pytest.mark.parametrize(
    ("value", "palette"), [(None, DARK), ("15;0", DARK), ("0;15", LIGHT), ("0;default;7", LIGHT), ("nonsense", DARK)]
)
def test_a_terminal_that_says_it_is_light_gets_the_light_theme(value: str | None, palette: object) -> None:
    assert palette_for({} if value is None else {"COLORFGBG": value}) is palette


@pytest.mark.parametrize("palette", PALETTES)
def test_a_theme_that_was_chosen_is_taken_whatever_the_terminal_says(palette: Palette) -> None:
    theme = load_config(environ={"LIVEMERC_SCREEN_THEME": palette.name}).screen.theme
    assert palette_for({"COLORFGBG": "0;15"}, theme) is palette
    assert palette_for({}, theme) is palette


def test_a_theme_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"screen\.theme"):
        load_config(environ={"LIVEMERC_SCREEN_THEME": "pink"})


def test_pairs_of_themes_differ() -> None:
    assert all(a.background != b.background for a, b in itertools.combinations(PALETTES, 2))


@given(st.text(alphabet="ab 中é", max_size=40), st.integers(1, 30))
def test_a_name_fills_its_column_and_says_where_it_was_cut(name: str, width: int) -> None:
    shown = in_cells(name, width)
    assert cell_len(shown) == width
    assert ("…" in shown) == (cell_len(name) > width)
