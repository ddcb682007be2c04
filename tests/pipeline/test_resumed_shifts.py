"""A session that goes on: why labels shifted is told of those that were not settled before it broke off."""

from __future__ import annotations

from pathlib import Path

from helpers.scripted_monitor import emotion, end, final, start
from helpers.sessions import info

from livemerc.events import Event, LabelShift
from livemerc.pipeline.resume import BrokenOff
from livemerc.sessions.journal import Journal


def test_shifts_of_labels_that_were_settled_before_are_not_told_again(tmp_path: Path) -> None:
    recorded: list[Event] = [
        start(),
        final(1, 1.0, 2.0, "fine"),
        emotion(1, "joy", 0.7, status="frozen", revision=1),
        final(2, 3.0, 4.0, "no"),
        emotion(2, "anger", 0.7, status="frozen", revision=1),
        LabelShift(utterance_id="u2", before="u1", because="u1"),
        final(3, 5.0, 6.0, "oh"),
        emotion(3, "sadness", 0.7, status="provisional", revision=0),
    ]
    session = BrokenOff(tmp_path, Journal(tmp_path, info(), recorded, []), info(), (), context=8)
    again = [*recorded, emotion(3, "sadness", 0.7, status="frozen", revision=1)]
    new = LabelShift(utterance_id="u3", before="u2", because=None)
    told = [*session.rewrite([*again, new, end(7.0, 3)])]
    assert [event for event in told if isinstance(event, LabelShift)] == [new]
