"""`livemerc compare`: a table that steers no terminal, or one JSON object."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from helpers.command_line import livemerc, sentence
from helpers.said_session import Said, said_session
from helpers.sessions import HOSTILE, conversation, write_session

from livemerc.console.comparison_table import lines
from livemerc.sessions.comparison import compare
from livemerc.sessions.corrections import CORRECTIONS_FILE
from livemerc.sessions.session import RecordedSession, read_session


def hostile(folder: Path) -> RecordedSession:
    said: list[Said] = [(n * 3.0, n * 3.0 + 2, HOSTILE * (n + 1), "joy", 0.5, HOSTILE) for n in range(3)]
    return read_session(said_session(folder, said, speakers=[HOSTILE, "\x1b]0;title\x07", None]))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_nothing_that_was_said_steers_the_terminal(tmp_path: Path, width: int) -> None:
    other: list[Said] = [(0, 2, "w", "fear", 0.5, None), (30, 31, HOSTILE, "joy", 1.0, None)]
    found = compare(hostile(tmp_path / "a"), read_session(said_session(tmp_path / "b", other)))
    for line in lines(found, width, everything=True):
        assert line.isprintable()
        assert len(line) <= max(width, 110)


def test_sessions_that_agree_have_a_summary_and_their_confusion(tmp_path: Path) -> None:
    a = said_session(tmp_path / "a", [(1, 3, "words 1", "fear", 0.7, None)])
    found = lines(compare(read_session(a), read_session(a)), 80, everything=False)
    assert not any(not one and not other for one, other in itertools.pairwise(found))
    assert found[0].startswith("A  a: 1 utterance, checkpoint")
    assert found[3] == "1 utterance in both, 0 only in A, 0 only in B"


def test_as_a_user_starts_it(tmp_path: Path) -> None:
    a = write_session(tmp_path / "a", conversation(3))
    b = said_session(tmp_path / "b", [(1, 3, "words 1", "fear", 0.7, None)])
    table = livemerc("compare", a, b)
    assert (table.returncode, table.stderr) == (0, b"")
    assert "1 utterance in both, 2 only in A, 0 only in B" in table.stdout.decode()
    done = livemerc("compare", a, b, "--json")
    found = json.loads(done.stdout)
    assert (found["pairs"], found["agreement"], found["kappa"]) == (1, 0.0, 0.0)
    assert [row["utterance_id"] for row in found["only_a"]] == ["u2", "u3"]
    empty = livemerc("compare", a, write_session(tmp_path / "empty", conversation(0)))
    assert empty.returncode == 5
    sentence(empty)


def test_what_a_person_labelled_measures_both(tmp_path: Path) -> None:
    a = said_session(tmp_path / "a", [(n * 3.0, n * 3.0 + 2, "w", "joy", 0.5, None) for n in range(3)])
    b = said_session(tmp_path / "b", [(n * 3.0, n * 3.0 + 2, "w", "anger", 0.5, None) for n in range(3)])
    (a / CORRECTIONS_FILE).write_text('{"utterance_id":"u1","emotion":"joy"}\n')
    (b / CORRECTIONS_FILE).write_text(
        '{"utterance_id":"u2","emotion":"anger"}\n{"utterance_id":"u3","emotion":"anger"}\n'
    )
    found = compare(read_session(a), read_session(b))
    assert "a person labelled, A has 33% right, B 67%" in "\n".join(lines(found, 100, everything=False))
