"""What a user asks of a labelling run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from livemerc.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoLabelOptions:
    """The flags of `livemerc-train pseudo-label`, named as they are."""

    out: Path
    """The labelled corpus (.csv); summary, answers that are no labels, and the journal lie beside it."""
    corpus: str | None = None
    """Read SOURCE as this corpus, as `prepare` does; gold sentiment, where it has some, is compared."""
    split: str | None = None
    """Only this split of --corpus."""
    column: str = "text"
    """Column or key of the text (default text); a number counts the columns of a table without header, from 1."""
    id_column: str | None = None
    """Column of unique ids (default: file and line)."""
    gold_column: str | None = None
    """Column of the true sentiment: agreement is reported."""
    delimiter: str | None = None
    """What separates columns (default: by the file's suffix)."""
    limit: int | None = None
    """The first so many texts only."""
    teacher: Literal["vader", "endpoint", "classifier"] = "vader"
    """vader (a lexicon, default), endpoint (any OpenAI-compatible server) or classifier (a transformers model)."""
    model: str | None = None
    """Name of the endpoint's model, or name or folder of the classifier."""
    base_url: str | None = None
    """The endpoint (default https://api.openai.com/v1)."""
    key_env: str | None = None
    """Environment variable that holds the key (default OPENAI_API_KEY at api.openai.com, none elsewhere)."""
    label_map: str | None = None
    """What a classifier's labels mean: LABEL_0=negative,LABEL_1=neutral,LABEL_2=positive."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the classifier or Whisper computes (default auto)."""
    concurrency: int = 8
    """Requests under way at once (default 8)."""
    timeout_s: float = 60.0
    """Longest wait for one answer in seconds (default 60)."""
    retries: int = 6
    """Further tries of a request that fails (default 6), with growing pauses or as long as Retry-After says."""
    stop_after: int = 8
    """Texts in a row without an answer after which the run stops (default 8)."""
    price_in: float | None = None
    """Price of a million prompt tokens."""
    price_out: float | None = None
    """Price of a million answered tokens."""
    asr: Literal["auto", "faster-whisper"] = "auto"
    """Recogniser for a folder of audio (default auto: the best cached Whisper, else tiny.en, which ships)."""
    asr_model: str | None = None
    """Whisper size or folder."""
    language: str | None = None
    """Language code of the speech for Whisper."""
    bad_files: int = 20
    """Audio files that do not decode after which the run stops (default 20)."""
    journal: Path | None = None
    """Where answers are kept (default beside --out); one journal may serve several corpora."""
    ray: bool = False
    """Share recordings and local teachers among the machines of the Ray cluster that RAY_ADDRESS names, else among the
    cores of this one. Each machine sees the recordings under the same path. Needs the extra `.[ray]`."""
    ask_again: bool = False
    """Ask once more for answers that were no labels."""

    @property
    def apart(self) -> Path:
        """Answers that are no labels, beside the corpus."""
        return self.out.with_suffix(".apart.csv")

    @property
    def answers(self) -> Path:
        """The journal."""
        return self.journal or self.out.with_suffix(".answers.sqlite")

    def check(self) -> None:
        """Raises `ConfigError` that names the flag."""
        prices = (self.price_in, self.price_out)
        ranges = {
            "--limit": self.limit is None or self.limit >= 1,
            "--concurrency": 1 <= self.concurrency <= 1024,
            "--timeout-s": math.isfinite(self.timeout_s) and self.timeout_s > 0,
            "--retries": 0 <= self.retries <= 100,
            "--stop-after": self.stop_after >= 1,
            "--bad-files": self.bad_files >= 1,
            "--price-in": prices[0] is None or (math.isfinite(prices[0]) and prices[0] >= 0),
            "--price-out": prices[1] is None or (math.isfinite(prices[1]) and prices[1] >= 0),
        }
        for flag, in_range in ranges.items():
            if not in_range:
                raise ConfigError(f"{flag} is out of range; see `livemerc-train pseudo-label --help`.")
        if prices.count(None) == 1:
            raise ConfigError("--price-in and --price-out make a cost together; give both (0 for what is free).")
        if self.split is not None and self.corpus is None:
            raise ConfigError("--split goes with --corpus; a table has none.")
        if self.out.suffix != ".csv":
            raise ConfigError(f"--out {self.out}: the corpus is a .csv file; name it so.")
