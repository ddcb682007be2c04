"""One recording -> its utterances and their words, as the live monitor cuts and hears them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from livemerc.asr.screening import screen
from livemerc.audio.items import Utterance
from livemerc.config import Config
from livemerc.text_safety import encodable
from trainer.corpora.recordings import hear

if TYPE_CHECKING:
    from livemerc.asr.engine import AsrEngine


class Heard(msgspec.Struct, array_like=True):
    """One utterance; times in seconds of the file; `gated`: why its text was screened out, None where it was not."""

    start_s: float
    end_s: float
    text: str
    gated: str | None


def transcribe(path: Path, engine: AsrEngine, config: Config, say: Callable[[str], None]) -> list[Heard]:
    """Long recordings are cut as the live monitor cuts them. Raises `InputError` for what does not decode."""
    heard = []
    for item in hear(config, path, say=say):
        if isinstance(item, Utterance):
            transcript = screen(engine.transcribe(item), item, config.screening)
            heard.append(Heard(item.start_s, item.end_s, encodable(transcript.text), transcript.gated))
    return heard
