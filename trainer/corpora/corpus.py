"""A labelled corpus of dialogues, whatever its release looks like: what every reader gives and every stage takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SENTIMENTS = ("negative", "neutral", "positive")
SPLITS = ("train", "dev", "test")
"""Names and order of the splits. A manifest may name others; those come after them."""


@dataclass(frozen=True, slots=True)
class LabelledUtterance:
    """One utterance. `audio` None or `text` "" = that modality is absent; `end_s` None = to the file's end.

    `emotion` is one of its corpus' labels, None where the release gives none of them; `sentiment` is "negative",
    "neutral" or "positive", None where unknown. `where` names file and line, for messages. Times in seconds.
    """

    dialogue_id: str
    utterance_id: str
    speaker: str | None
    text: str
    audio: Path | None
    start_s: float
    end_s: float | None
    emotion: str | None
    sentiment: str | None
    where: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Dialogues by split, utterances in the order of speech.

    `missing_audio` names the files that the release should hold and this copy does not: their utterances stay, with
    `audio` None. `note` says what the reader did that a user should know (labels dropped, merged, rows re-ordered).
    """

    name: str
    labels: tuple[str, ...]
    splits: dict[str, list[list[LabelledUtterance]]]
    missing_audio: list[Path] = field(default_factory=list)
    note: str = ""
    shares_speakers: bool = False
    """The official splits share speakers by design (the leading characters of a TV series): a fact, not a mistake."""
    single_class: bool = False
    """All of it is of one class by design (read speech is neutral): it trains beside others, never alone."""

    def utterances(self, split: str) -> Iterator[LabelledUtterance]:
        for dialogue in self.splits[split]:
            yield from dialogue
