"""Writes livemerc/events.schema.json from the types of livemerc/events.py: `python -m tools.write_event_schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from livemerc.events import SCHEMA_VERSION, json_schema

PATH = Path(__file__).resolve().parent.parent / "livemerc" / "events.schema.json"


def schema_text() -> str:
    """What the file must hold."""
    head: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"livemerc events, schema {SCHEMA_VERSION}",
        "description": "One line of `livemerc run --json`. Times (*_s) are seconds of source audio; unknown is null.",
    }
    return json.dumps(head | json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(schema_text(), encoding="utf-8")
