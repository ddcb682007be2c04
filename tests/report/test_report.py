"""`livemerc report`: what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from helpers.command_line import environment, livemerc
from helpers.sessions import conversation, write_session
from report import scenes
from report.scenes import shown

from livemerc.events import EmotionEvent, LabelShift, MicState, SessionEnd, Status, UtteranceFinal, encode
from livemerc.model.checkpoint import checkpoint_info
from livemerc.notation import clock
from livemerc.report import html
from livemerc.report.card import find_card, parse
from livemerc.report.facts import NOT_JUDGED, facts
from livemerc.report.sentences import summary
from livemerc.runtime.notices import PAUSED
from livemerc.sessions.corrections import Correction, append_correction
from livemerc.sessions.session import read_session


@pytest.fixture(scope="module")
def document(session: Path) -> str:
    return html(read_session(session))


def test_the_head_says_what_session_it_is(document: str) -> None:
    head = shown(document)[:900]
    assert "Session report: meeting" in head
    for words in ("2026-01-02", "call.wav", "Ann Lee, Bob", "faster-whisper base", "test-1", "40 utterances"):
        assert words in head
    assert re.search(r"\d\d:\d\d \S+", head)
    assert '<time datetime="2026-01-02T03:04:05+00:00">' in document


def test_the_time_is_told_in_local_time_and_in_utc(session: Path, tmp_path: Path) -> None:
    done = livemerc("report", session, "-o", tmp_path / "r.html", env=environment(tmp_path, TZ="Asia/Tokyo"))
    assert done.returncode == 0
    assert "2026-01-02 12:04 JST (2026-01-02 03:04 UTC)" in (tmp_path / "r.html").read_text()


def test_the_summary_is_plain_and_says_how_unsure_it_is(document: str, session: Path) -> None:
    found = facts(read_session(session))
    summary = shown(document, "summary")
    unsure = sum(line.abstained is not None for line in found.lines)
    assert f"Of {unsure} utterances" in summary
    assert "not sure" in summary
    assert "annotator's choice" in summary
    assert f"changed {len(found.shifts)} times" in summary
    first = next(iter(found.shares()))
    assert first in summary


def test_the_whole_transcript_is_there_with_doubts_and_corrections(document: str, session: Path) -> None:
    transcript = shown(document, "transcript")
    recorded = read_session(session)
    for utterance in recorded.utterances:
        assert utterance.text in transcript
    assert transcript.count("✎ set by a person (monitor: ") == 1
    assert "✎ words corrected; heard: " in transcript
    assert "Ann Lee ✎" in transcript
    assert transcript.count("○ not sure (low confidence; closest: ") == sum(
        u.abstained is not None for u in recorded.utterances
    )
    assert "(words doubtful: low probability)" in transcript
    assert "(voice only)" in transcript
    assert "was · neutral" in transcript


def test_gaps_degraded_stretches_and_a_deaf_microphone_are_told_and_drawn(document: str) -> None:
    hearing = shown(document, "hearing")
    assert "2.9 s of audio were lost in 2 gaps; the longest, 1.7 s" in hearing
    assert re.search(r"Degraded from \d\d:\d\d to \d\d:\d\d: behind: no partial hypotheses", hearing)
    assert "it may be muted" in hearing
    course = document[document.index('<figure id="course">') :]
    for style in ("lost", "degraded", "trouble", "person", "gap"):
        assert f'class="{style}"' in course


def test_a_pause_is_no_trouble(tmp_path: Path) -> None:
    events = conversation(3)
    deaf = MicState(ok=False, why="not open")
    told = [("a part is slow", None), (f"a part is slow; {PAUSED}", deaf), (PAUSED, deaf), (None, None)]
    statuses = [Status(t_s=31.0 + n, lag_s=0, queued={}, degraded=what, mic=mic) for n, (what, mic) in enumerate(told)]
    session = read_session(write_session(tmp_path / "s", [*events[:-1], *statuses, events[-1]]))
    found = facts(session)
    assert [(s.start_s, s.end_s) for s in found.paused] == [(32.0, 34.0)]
    assert {s.reason for s in found.degraded} == {"a part is slow"}
    assert found.microphone == []
    assert "Paused from 00:32 to 00:34: nothing is being heard" in shown(html(session), "hearing")


def test_shifts_stand_between_the_sentences_around_them(document: str, session: Path) -> None:
    found = facts(read_session(session))
    section = shown(document, "shifts")
    assert f"There are {len(found.shifts)} shifts" in section
    for shift in found.strongest_shifts():
        assert shift.before.text in section
        assert shift.after.text in section
        assert shift.before.speaker == shift.after.speaker
        assert shift.before.label != shift.after.label


def test_a_shift_names_the_one_utterance_that_it_is_due_to(tmp_path: Path) -> None:
    events = scenes.lively()
    found = facts(read_session(scenes.write(tmp_path / "without", events)))
    first, second = found.strongest_shifts()[:2]
    name = [u.utterance_id for u in found.session.utterances]
    causes = [
        LabelShift(
            utterance_id=name[shift.after.number - 1], before=name[shift.before.number - 1],
            because=None if shift is second else name[2],
        )
        for shift in (first, second)
    ]  # fmt: skip
    told = read_session(scenes.write(tmp_path / "with", [*events[:-1], *causes, events[-1]]))
    by_number = {shift.after.number: shift.because for shift in facts(told).shifts}
    because = by_number.pop(first.after.number)
    assert because is not None
    assert because.number == 3
    assert not any(by_number.values())
    section = shown(html(told), "shifts")
    assert section.count("because of") == 1
    assert f"because of {clock(because.start_s)}" in section
    # what a person has set the model is not the cause of
    correction = Correction(utterance_id=name[first.after.number - 1], emotion=first.after.label, at="2026-01-03")
    corrected = read_session(scenes.write(tmp_path / "corrected", [*events[:-1], *causes, events[-1]], (correction,)))
    assert "because of" not in shown(html(corrected), "shifts")
    assert "because of" not in shown(html(read_session(tmp_path / "without")), "shifts")


def test_moments_are_the_strongest_the_least_certain_and_the_marked_ones(document: str, session: Path) -> None:
    found = facts(read_session(session))
    assert all(line.label != "neutral" and not line.by_person for line in found.strongest())
    confidences = [line.confidence for line in found.strongest()]
    assert confidences == sorted(confidences, reverse=True)
    entropies = [line.entropy for line in found.lines if line.judged and not line.by_person]
    assert found.least_certain()[0].entropy == max(entropies)
    moments = shown(document, "moments")
    assert "the figures" in moments
    assert "Strongest" in moments
    assert "Least certain" in moments


def test_certainty_and_consent_are_told(document: str) -> None:
    certainty = shown(document, "certainty")
    assert "calibrated probability" in certainty
    assert "not known for this checkpoint" in certainty
    assert "gave no label to" in certainty
    use = shown(document, "use")
    for words in ("Everyone agreed.", "30 days", "no diagnosis", "AI Act", "not to watch people at work"):
        assert words in use


def test_shares_are_of_the_voiced_time_and_sum_to_one(session: Path) -> None:
    found = facts(read_session(session))
    assert sum(found.shares().values()) == pytest.approx(1)
    for person in found.people:
        assert sum(person.shares().values()) == pytest.approx(1)
    assert sum(person.voiced_s for person in found.people) == pytest.approx(found.voiced_s)


def test_a_persons_word_outranks_the_model(session: Path) -> None:
    found = facts(read_session(session))
    line = next(line for line in found.lines if line.by_person)
    assert line.label == "joy"
    assert line.valence == pytest.approx(0.9)
    assert line not in found.by_model
    assert found.agreement()[1] == 1


def test_speakers_that_are_unknown_are_one_row(tmp_path: Path) -> None:
    document = html(read_session(scenes.write(tmp_path / "s", scenes.lively(9, speakers=(None,)))))
    assert "not told apart" in shown(document)
    assert "everyone" in shown(document, "speakers")
    assert 'id="speakers-course"' not in document


def test_hundreds_of_speakers_are_told_of_in_a_dozen_rows(tmp_path: Path) -> None:
    names = tuple(f"Person {chr(65 + n % 26)}{n}" for n in range(300))
    document = html(read_session(scenes.write(tmp_path / "s", scenes.lively(300, speakers=names))))
    speakers = shown(document, "speakers")
    assert " others" in speakers
    transcript = shown(document, "transcript")
    assert all(name in transcript for name in names[1::5])


def test_the_card_of_the_checkpoint_that_ships_is_quoted_and_only_for_its_own_sessions(tmp_path: Path) -> None:
    ours = checkpoint_info()
    events = scenes.lively(5)
    events[0] = msgspec.structs.replace(scenes.start(), checkpoint=ours)
    session = read_session(write_session(tmp_path / "s", events))
    card = find_card(session)
    assert card is not None
    assert card.ece is not None
    assert 0 < card.ece < 0.2
    assert card.limits
    assert card.figures
    document = html(session)
    assert card.limits[0] in shown(document, "model")
    assert f"{card.ece * 100:.1f} points" in shown(document, "certainty")
    assert ours.licence.split(";")[0] in shown(html(session, anonymise=True), "model")  # its digits are nobody's
    other = read_session(write_session(tmp_path / "t", scenes.lively(5)))
    assert find_card(other) is None
    assert "not at hand" in shown(html(other), "model")


def test_a_card_without_what_is_looked_for_is_no_failure() -> None:
    assert parse("").limits == []
    assert parse("# only a title\n\ntext").about == "text"
    assert parse("## Figures\n|a|\n|-|\n|b|\n").ece is None


# -- sessions that are not whole ---------------------------------------------------------------------------------------


def test_an_empty_session_is_told_of_kindly(tmp_path: Path) -> None:
    document = html(
        read_session(write_session(tmp_path / "s", [scenes.start(), SessionEnd(duration_s=60, utterances=0)]))
    )
    assert "In 1 min 00 s of recording nobody was heard speaking" in shown(document, "summary")
    assert 'id="transcript"' not in document
    assert "AI Act" in shown(document)
    assert 'href="#transcript"' not in document


def test_a_session_that_is_still_being_recorded_is_told_so_far(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    folder = write_session(tmp_path / "s", conversation(3, ends=False))
    with (folder / "events.jsonl").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        document = html(read_session(folder))
    assert "so far: it is still being recorded" in shown(document)
    assert "of recording so far" in shown(document, "summary")
    assert "broke off" not in shown(document)


def test_a_session_that_was_cut_short_says_so(tmp_path: Path) -> None:
    events = conversation(3, ends=False)
    last = max(n for n, e in enumerate(events) if isinstance(e, UtteranceFinal))
    document = html(read_session(write_session(tmp_path / "s", events[: last + 1])))
    assert "cut short: the recording has no end" in shown(document)
    assert f"– {NOT_JUDGED} (the recording broke off)" in shown(document, "transcript")
    assert "~" in shown(document, "transcript")


def test_damaged_lines_are_counted_and_the_rest_is_reported(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(3), tail=b'{"type": "emotion", broken\n')
    done = livemerc("report", folder, "-o", tmp_path / "r.html")
    assert done.returncode == 0
    assert b"damaged" in done.stderr
    assert "1 damaged line of the recording could not be read" in shown((tmp_path / "r.html").read_text(), "hearing")


def test_a_file_of_events_alone_has_a_report_without_consent(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(encode(event) + b"\n" for event in conversation(2)))
    assert "Consent not known" in shown(html(read_session(path)), "use").replace("Consentnot", "Consent not")


def test_labels_of_another_checkpoint_have_their_rows_and_no_valence(tmp_path: Path) -> None:
    labels = ("Joyful", "Mad", "Peaceful")
    events = [scenes.start(labels=labels)]
    for n in range(4):
        p = dict.fromkeys(labels, 0.1) | {labels[n % 3]: 0.8}
        final = next(e for e in conversation(n + 1) if isinstance(e, UtteranceFinal) and e.utterance_id == f"u{n + 1}")
        events += [final, scenes.estimate(f"u{n + 1}", "frozen", 0, p)]
    document = html(read_session(write_session(tmp_path / "s", events)))
    course = shown(document, "course")
    assert all(label in course for label in labels)
    assert "expected valence" not in course


def test_a_session_of_no_length_and_one_of_years_can_be_drawn(tmp_path: Path) -> None:
    for number, (start_s, end_s) in enumerate(((0.0, 0.0), (0.0, 9.9e7), (5.0, 1.0))):
        final = msgspec.structs.replace(conversation(1)[2], start_s=start_s, end_s=end_s)
        estimate = next(e for e in conversation(1) if isinstance(e, EmotionEvent))
        document = html(read_session(write_session(tmp_path / f"s{number}", [scenes.start(), final, estimate])))
        assert "words 1" in shown(document, "transcript")
        assert "nan" not in document.lower().replace("finance", "")
        assert len(document) < 200_000


def test_three_hours_stay_whole_and_small(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", scenes.three_hours())
    session = read_session(folder)
    document = html(session)
    assert len(document.encode()) < 5_000_000
    assert document.count('<tr id="u') == 5000
    last = session.utterances[-1]
    assert last.text in document[document.index('<tr id="u5000"') :]
    for figure in re.findall(r"<figure.*?</figure>", document, re.DOTALL):
        assert len(figure) < 200_000


def test_a_correction_of_the_emotion_alone_shows_in_the_shares(tmp_path: Path) -> None:
    events = conversation(2)
    plain = facts(read_session(write_session(tmp_path / "s", events)))
    corrected = facts(
        read_session(scenes.write(tmp_path / "t", events, (Correction(utterance_id="u1", emotion="fear"),)))
    )
    assert "fear" not in plain.shares()
    assert corrected.shares()["fear"] == pytest.approx(0.5)


def test_what_a_person_found_nothing_to_judge_in_is_no_doubt_of_the_monitor(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(4))
    append_correction(folder, Correction(utterance_id="u2", nothing_to_judge=True))
    append_correction(folder, Correction(utterance_id="u3", speaker="Ann"))
    found = facts(read_session(folder))
    line = found.lines[1]
    assert (line.shown, line.told, line.abstained, line.dismissed) == ("nothing", False, None, True)
    assert found.shares()["nothing"] == pytest.approx(0.25)
    assert line not in found.least_certain()
    words = " ".join(summary(found))
    assert "In 1 utterance a person found nothing to judge." in words
    assert "was not sure" not in words
    assert "by 1 speaker (3 of nobody known)" in words
    document = html(read_session(folder))
    assert "says a person (monitor: neutral" in document
    assert "∅ nothing a person found nothing to judge" in shown(document, "transcript")
