"""The sessions in a folder, in a few figures each: whole, cut short, damaged, overdue."""

from __future__ import annotations

from pathlib import Path

import msgspec
from helpers.sessions import conversation, info, write_session, write_some_sessions

from livemerc.sessions.folder import SESSION_FILE
from livemerc.sessions.listing import summaries


def test_the_list_tells_the_whole_the_cut_and_the_broken(tmp_path: Path) -> None:
    write_some_sessions(tmp_path)
    found = {s.name: s for s in summaries(tmp_path)}
    assert {name: s.state for name, s in found.items()} == {
        "a-whole": "whole",
        "b-cut": "cut short",
        "c-empty": "cut short",
        "d-climbs": "whole",
        "e-broken": "broken",
        "f-newer": "broken",
    }
    assert {name: (s.utterances, s.duration_s, s.audio) for name, s in found.items() if name[0] in "abcd"} == {
        "a-whole": (3, 30.0, "yes"),
        "b-cut": (2, 19.5, "no"),
        "c-empty": (0, 0.0, "no"),
        "d-climbs": (1, 10.0, "refused"),
    }
    assert found["a-whole"].started_at == "2026-01-02T03:04:05.000+00:00"


def test_a_session_lists_itself(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(1))
    assert [s.name for s in summaries(folder)] == ["s"]


def test_a_session_past_its_retention_is_named(tmp_path: Path) -> None:
    for number, days in enumerate((1, 10**6, 10**12, 40_000)):
        folder = write_session(tmp_path / f"s{number}", conversation(1))
        kept = msgspec.structs.replace(info(), retention_days=days)
        (folder / SESSION_FILE).write_bytes(msgspec.json.encode(kept))
    found = [s.broken for s in summaries(tmp_path)]
    assert found[0] is not None
    assert "until 2026-01-03; delete it" in found[0]
    assert found[1:] == [None, None, None]
