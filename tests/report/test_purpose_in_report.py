"""What the report says of the purpose, and of whose voice was judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from report import scenes
from report.scenes import shown

from livemerc.report import html
from livemerc.sessions.session import read_session


@pytest.mark.parametrize(
    ("voice", "told"),
    [
        ({"purpose": "work", "text_only": True}, "work Judged words alone, nobody's voice"),
        ({"purpose": "care", "text_only": False}, "care Judged words and every voice"),
        ({"purpose": "personal", "text_only": False, "judge_voice_of": ["Ann Lee"]}, "the voice of Ann Lee"),
        ({}, "not recorded Judged not recorded whose voice"),
    ],
)
def test_purpose_and_whose_voice_was_judged_are_told_at_the_head_and_under_use(
    voice: dict[str, Any], told: str, tmp_path: Path
) -> None:
    first, *others = scenes.lively()
    start = msgspec.structs.replace(first, **voice)
    found = read_session(scenes.write(tmp_path / "meeting", [start, *others], source="call.wav"))
    document = html(found).replace("</dt>", " </dt>").replace("</dd>", " </dd>")
    assert told in shown(document)[:1500]
    assert told in shown(document, "use")
    assert "Ann" not in shown(html(found, anonymise=True), "use")
