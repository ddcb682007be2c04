"""Whatever the files of a session hold, its report is made or one plain sentence says why not."""

from __future__ import annotations

import html5lib
from helpers.mutate import mutated
from helpers.sessions import write_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report import scenes

from livemerc.errors import LivemercError
from livemerc.events import encode
from livemerc.report import html
from livemerc.sessions.corrections import CORRECTIONS_FILE
from livemerc.sessions.folder import EVENTS_FILE, SESSION_FILE
from livemerc.sessions.session import read_session

EVENTS = b"".join(encode(event) + b"\n" for event in scenes.lively(5))
CORRECTIONS = b'{"utterance_id":"u1","emotion":"joy","speaker":"","text":null}\n'
WORDS = (
    b'"type":"emotion"', b'"type":"utterance.final"', b'"utterance_id":"u1"', b'"start_s":1e7', b'"end_s":0',
    b'"label":"', b'"probabilities":{}', b'"modality":{"text":{},"speech":null}', b'"labels":[]', b'"dropped_s":1e7',
    b'"confidence":0', b'"speaker":""', b'"speaker":" "', b'"abstained":""', b'"emotion":"\\u202e"',
)  # fmt: skip


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    data=st.data(),
    which=st.sampled_from((EVENTS_FILE, EVENTS_FILE, SESSION_FILE, CORRECTIONS_FILE)),
    anonymise=st.booleans(),
)
def test_a_damaged_session_gives_a_whole_page_or_one_error(
    tmp_path_factory: object, data: st.DataObject, which: str, anonymise: bool
) -> None:
    folder = tmp_path_factory.mktemp("damaged") / "session"  # type: ignore[attr-defined]
    write_session(folder, [])
    (folder / EVENTS_FILE).write_bytes(EVENTS)
    (folder / CORRECTIONS_FILE).write_bytes(CORRECTIONS)
    path = folder / which
    path.write_bytes(data.draw(mutated((path.read_bytes(),), WORDS)))
    try:
        document = html(read_session(folder), anonymise=anonymise)
    except LivemercError:
        return
    document.encode("utf-8")
    parser = html5lib.HTMLParser()
    parser.parse(document)
    assert parser.errors == []
    assert "NaN" not in document
    assert ">nan" not in document
