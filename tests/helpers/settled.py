"""What "the same events" means in the contract: the ordered finals and emotions, timing left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from livemerc.events import EmotionEvent, Event, UtteranceFinal


def settled(events: Iterable[Event]) -> list[UtteranceFinal | EmotionEvent]:
    """Of a session; emotions of status `partial` are luxuries, which come or not."""
    return [
        msgspec.structs.replace(event, timing=None) if isinstance(event, EmotionEvent) else event
        for event in events
        if isinstance(event, UtteranceFinal) or (isinstance(event, EmotionEvent) and event.status != "partial")
    ]


def settled_lines(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same of JSON Lines that were decoded to dictionaries."""
    return [
        {key: value for key, value in event.items() if key != "timing"}
        for event in events
        if event["type"] == "utterance.final" or (event["type"] == "emotion" and event["status"] != "partial")
    ]
