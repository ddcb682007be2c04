"""One line per settled label on stdout; everything else on stderr."""

from __future__ import annotations

import io
import subprocess
import sys

import msgspec
from helpers.scripted_monitor import conversation, emotion, end, final, partial, start

from livemerc.console.plain import PlainPrinter
from livemerc.events import Event, MicState, Status


def printed(*events: Event) -> tuple[str, str]:
    out, log = io.StringIO(), io.StringIO()
    printer = PlainPrinter(out, log)
    for event in events:
        printer.write(event)
    return out.getvalue(), log.getvalue()


def test_only_settled_labels_are_printed_each_once_with_time_speaker_and_words() -> None:
    out, log = printed(
        start(), partial(1, 12.34, "so"), final(1, 12.34, 14.0, "so you came", "Ann"), emotion(1, "joy", 0.6),
        emotion(1, "joy", 0.82, status="frozen", revision=1), end(20.0, 1),
    )  # fmt: skip
    assert out == '00:12.3  Ann  joy .82  "so you came"\n'
    assert "file:kitchen.flac" in log
    assert "pocketsphinx en-us" in log
    assert "compact-1" in log
    assert log.endswith("00:20 of audio, 1 utterance: joy 1\n")


def test_abstention_gated_words_and_absent_words_are_told_apart() -> None:
    out, _ = printed(
        final(1, 1, 2, "thanks for watching", gated="repetition"),
        emotion(1, "joy", 0.4, status="frozen", abstained="words doubtful"),
        final(2, 3, 4, ""), emotion(2, "fear", 1.0, status="frozen"),
    )  # fmt: skip
    assert out.splitlines() == [
        '00:01.0  not sure (words doubtful)  "thanks for watching"  (words doubtful: repetition)',
        "00:03.0  fear 1.0",
    ]


def test_what_somebody_else_speaks_in_is_told() -> None:
    out, _ = printed(
        final(1, 12.34, 14.0, "so you came", "Ann", overlaps=[(12.4, 12.8), (13.0, 13.2)]),
        emotion(1, "joy", 0.82, status="frozen"),
    )
    assert out == '00:12.3  Ann  joy .82  "so you came"  (0.6 s overlap)\n'


def test_words_that_came_late_are_printed_and_missing_ones_are_accounted_for() -> None:
    late = msgspec.structs.replace(emotion(1, "joy", 0.8, status="frozen"), late_text="there you are")
    out, _ = printed(
        final(1, 1, 2, "", gated="behind: words later"), late,
        final(2, 3, 4, "", gated="recogniser failed"), emotion(2, "fear", 1.0, status="frozen"),
    )  # fmt: skip
    assert out.splitlines() == ['00:01.0  joy .80  "there you are"', "00:03.0  fear 1.0  (no words: recogniser failed)"]


def test_hostile_words_stay_on_their_line_and_steer_nothing() -> None:
    out, _ = printed(final(1, 0, 1, "a\nb\x1b[2J\u202e", "x\r"), emotion(1, "joy", 0.5, status="frozen"))
    assert out == '00:00.0  x   joy .50  "a b␛[2J\ufffd"\n'


def test_trouble_is_told_when_it_comes_and_when_it_goes_not_twice_a_second() -> None:
    ill = [Status(t_s=t, lag_s=0, queued={}, mic=MicState(ok=False, why="muted; unmute it")) for t in (1, 2, 3)]
    _, log = printed(*ill, Status(t_s=4, lag_s=0, queued={}, mic=MicState(ok=True)))
    assert log == "00:01  microphone: muted; unmute it\n00:04  well again\n"


def test_a_terminal_without_unicode_ends_no_session() -> None:
    raw = io.BytesIO()
    printer = PlainPrinter(io.TextIOWrapper(raw, encoding="ascii"), io.StringIO())
    printer.write(final(1, 0, 1, "日本"))
    printer.write(emotion(1, "joy", 0.5, status="frozen"))
    assert raw.getvalue() == b'00:00.0  joy .50  "\\u65e5\\u672c"\n'


def test_a_conversation_prints_what_is_frozen_and_no_more() -> None:
    out, _ = printed(*conversation())
    assert len(out.splitlines()) == 5


def test_plain_lines_need_neither_textual_nor_numpy_nor_torch() -> None:
    heavy = ("textual", "numpy", "torch", "rich")
    code = f"import sys, livemerc.console.plain; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
