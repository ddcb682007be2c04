"""Journals as they may be found: whole, cut short, damaged, hostile, from the future."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec
import pytest
from helpers.sessions import HOSTILE, conversation, info, write_session
from hypothesis import given, settings
from hypothesis import strategies as st

from livemerc.errors import InputError
from livemerc.events import SCHEMA_VERSION, SessionEnd, UtteranceFinal, encode
from livemerc.sessions import journal
from livemerc.sessions.folder import EVENTS_FILE, SESSION_FILE


def test_what_was_written_is_read_in_its_order(tmp_path: Path) -> None:
    events = conversation(5, text=HOSTILE)
    found = journal.read(write_session(tmp_path / "s", events))
    assert found.events == events
    assert found.ended
    assert found.warnings == []
    assert found.info is not None
    assert found.info.consent == "all agreed"


def test_an_events_file_alone_is_a_journal_too(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(2))
    alone = folder.rename(tmp_path / "moved") / EVENTS_FILE
    assert journal.read(alone).events == conversation(2)
    assert journal.read(alone).info is None


def test_the_last_incomplete_line_is_left_out_and_said(tmp_path: Path) -> None:
    events = conversation(3)
    cut = encode(events[-1])[:-4]
    found = journal.read(write_session(tmp_path / "s", events[:-1], tail=cut))
    assert found.events == events[:-1]
    assert not found.ended
    assert len(found.warnings) == 1
    assert f"({len(events)})" in found.warnings[0]
    assert "incomplete" in found.warnings[0]


def test_only_the_line_end_is_missing(tmp_path: Path) -> None:
    events = conversation(3)
    found = journal.read(write_session(tmp_path / "s", events[:-1], tail=encode(events[-1])))
    assert (found.events, found.ended, found.warnings) == (events, True, [])


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"{}",
        b"[" * 100_000,
        b'{"type":"session.end","duration_s":1,"utterances":1,"more":' + b"[" * 100_000,
        b'{"type":"utterance.unheard-of"}',
        b'{"type":"session.end","duration_s":1e999,"utterances":1}',
        b'{"type":"session.end","duration_s":-1,"utterances":1}',
        b'{"type":"status","t_s":1e300,"lag_s":0,"queued":{}}',
        b'{"type":"status","t_s":1,"lag_s":1e300,"queued":{}}',
        b"x" * (journal.LONGEST_LINE_BYTES + 5),
        b"x" * (3 * journal.LONGEST_LINE_BYTES),
    ],
)
def test_a_damaged_line_is_named_counted_and_skipped(tmp_path: Path, line: bytes) -> None:
    events = conversation(3)
    folder = write_session(tmp_path / "s", events[:4], tail=line + b"\n" + encode(events[4]) + b"\n")
    found = journal.read(folder)
    assert found.events == events[:5]
    assert found.damaged == 1
    assert len(found.warnings) == 1
    assert f"s/{EVENTS_FILE}, line 5: damaged" in found.warnings[0]


def test_many_damaged_lines_are_counted_not_all_told(tmp_path: Path) -> None:
    found = journal.read(write_session(tmp_path / "s", conversation(1), tail=b"no\n" * 1000))
    assert found.damaged == 1000
    assert len(found.warnings) < 20
    assert "990 more" in found.warnings[-1]


def test_a_long_line_without_an_end_is_the_incomplete_last_one(tmp_path: Path) -> None:
    found = journal.read(write_session(tmp_path / "s", conversation(1), tail=b"x" * (2 * journal.LONGEST_LINE_BYTES)))
    assert found.events == conversation(1)
    assert found.warnings


def test_a_newer_schema_is_a_clear_error(tmp_path: Path) -> None:
    start = encode(conversation(0)[0])
    for number, line in enumerate(
        (
            start.replace(b'"schema":%d' % SCHEMA_VERSION, b'"schema":%d' % (SCHEMA_VERSION + 4)),
            b'{"type":"session.start","schema":%d,"all":"else differs"}' % (SCHEMA_VERSION + 1),
        )
    ):
        folder = write_session(tmp_path / f"s{number}", [], tail=line + b"\n")
        with pytest.raises(InputError, match=r"newer livemerc \(schema (?:7|10).*update"):
            journal.read(folder)
    folder = write_session(tmp_path / "header", conversation(1))
    (folder / SESSION_FILE).write_bytes(msgspec.json.encode(info(schema=7)))
    with pytest.raises(InputError, match="schema 7"):
        journal.read(folder)


@pytest.mark.parametrize("header", [b"", b"{", b"[]", b"\xff", b'{"schema":"one"}', b"[" * 100_000])
def test_without_a_sound_header_the_events_can_be_read(tmp_path: Path, header: bytes) -> None:
    folder = write_session(tmp_path / "s", conversation(2))
    (folder / SESSION_FILE).write_bytes(header)
    found = journal.read(folder)
    assert found.events == conversation(2)
    assert found.info is None
    assert "session.json" in found.warnings[0]


def test_an_empty_session_is_one(tmp_path: Path) -> None:
    found = journal.read(write_session(tmp_path / "s", []))
    assert (found.events, found.ended, found.damaged) == ([], False, 0)


def test_what_is_no_session_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent", Path("\0"), tmp_path / ("x" * 5000)):
        with pytest.raises(InputError) as refused:
            journal.read(path)
        assert "\n" not in str(refused.value)


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes")
@pytest.mark.parametrize("name", [EVENTS_FILE, SESSION_FILE])
def test_links_and_pipes_in_a_session_are_not_followed(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(encode(conversation(1)[0]) + b"\n")
    for number, make in enumerate((lambda p: p.symlink_to(secret), os.mkfifo, lambda p: p.symlink_to("/dev/zero"))):
        folder = write_session(tmp_path / f"s{number}", conversation(1))
        (folder / name).unlink()
        make(folder / name)
        if name == EVENTS_FILE:
            with pytest.raises(InputError, match="refused"):
                journal.read(folder)
        else:
            assert "refused" in journal.read(folder).warnings[0]


def test_a_growing_journal_is_read_as_it_grows(tmp_path: Path) -> None:
    events = conversation(3)
    folder = write_session(tmp_path / "s", [])
    reader = journal.JournalReader(folder)
    with (folder / EVENTS_FILE).open("ab", buffering=0) as file:
        for event in events:
            line = encode(event) + b"\n"
            file.write(line[:7])
            assert reader.read_new() == []
            file.write(line[7:])
            assert reader.read_new() == [event]
    reader.finish()
    reader.close()
    assert reader.journal.events == events
    assert reader.journal.warnings == []
    assert reader.journal.ended


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_happens_to_the_bytes_the_sound_lines_are_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lines = [encode(event) for event in conversation(2)]
    hit = data.draw(st.sets(st.integers(1, len(lines) - 1), max_size=4))
    for number in hit:
        junk = data.draw(st.binary(max_size=40)).replace(b"\n", b"")
        at = data.draw(st.integers(0, len(lines[number])))
        lines[number] = lines[number][:at] + junk
    path = tmp_path_factory.mktemp("fuzz") / "events.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    found = journal.read(path)
    sound = [event for number, event in enumerate(conversation(2)) if number not in hit]
    assert [event for event in found.events if event in sound] == sound
    assert len(found.events) + found.damaged <= len(lines)


def test_ends_are_what_the_journal_says(tmp_path: Path) -> None:
    found = journal.read(write_session(tmp_path / "s", conversation(4)))
    assert isinstance(found.events[-1], SessionEnd)
    assert sum(isinstance(event, UtteranceFinal) for event in found.events) == found.events[-1].utterances == 4


@pytest.mark.parametrize("content", [b'{"schema": 1, "labels": []}', b"no events\n", b"\xff\xfe\x00" * 50])
def test_a_file_without_any_event_is_no_journal(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "session.json").write_bytes(content)
    with pytest.raises(InputError, match=r"session\.json: holds no events; give a session's folder"):
        journal.read(tmp_path / "session.json")
    (tmp_path / "events.jsonl").write_bytes(b"")
    assert journal.read(tmp_path / "events.jsonl").events == []  # nothing has been said yet


def test_the_folder_one_stands_in_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_session(tmp_path / "s", conversation(1), tail=b"junk\n"))
    assert journal.read(".").warnings[0].startswith("s/events.jsonl, line")
