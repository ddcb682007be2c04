"""Why labels shifted is told in a stream, too, but never while anything waits to be judged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from livemerc.audio.items import Quiet
from livemerc.config import Config
from livemerc.events import LabelShift
from livemerc.streams.judge import Judge
from livemerc.streams.shared import Shared

SHIFTS = [LabelShift(utterance_id=f"u{n}", before=f"u{n - 1}", because=None) for n in (2, 3, 4)]


class Waiting:
    """A dialogue with shifts that wait; one of them the model cannot explain."""

    def __init__(self) -> None:
        self._left = [SHIFTS[0], None, SHIFTS[1], SHIFTS[2]]

    @property
    def unexplained(self) -> int:
        return len(self._left)

    def explain(self) -> LabelShift | None:
        return self._left.pop(0)


def told(shared: Shared) -> list[Any]:
    stream = cast(Any, SimpleNamespace(dialogue=Waiting()))
    judge = Judge(shared, Config(), cast(Any, None), cast(Any, None))
    judge._explain(stream, cast(Any, SimpleNamespace(explain=lambda dialogue: dialogue.explain())))
    shared.events.close()
    return [shared.events.get() for _ in range(len(shared.events))]


def test_all_are_told_where_nothing_waits() -> None:
    assert [event for _, event in told(Shared())] == SHIFTS


def test_none_is_told_while_anything_waits_to_be_judged() -> None:
    shared = Shared()
    shared.to_judge.put("another", Quiet(1.0))
    assert told(shared) == []
