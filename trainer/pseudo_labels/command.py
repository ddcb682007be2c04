"""`livemerc-train pseudo-label`: from flags to texts, a teacher and a labelled corpus."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livemerc.errors import ConfigError
from trainer.corpora.corpus import SENTIMENTS
from trainer.pseudo_labels.agreement import agreement_lines
from trainer.pseudo_labels.cost import Prices
from trainer.pseudo_labels.labelled_corpus import Outputs
from trainer.pseudo_labels.run import pseudo_label
from trainer.pseudo_labels.teachers import Teacher
from trainer.pseudo_labels.texts import Columns, SourceText, corpus_texts, read_texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The flags of the command, named as they are."""

    source: Path
    out: Path
    corpus: str | None = None
    split: str | None = None
    column: str = "text"
    id_column: str | None = None
    gold_column: str | None = None
    delimiter: str | None = None
    limit: int | None = None
    teacher: str = "vader"
    model: str | None = None
    base_url: str | None = None
    key_env: str | None = None
    label_map: str | None = None
    device: str = "auto"
    concurrency: int = 8
    timeout_s: float = 60.0
    retries: int = 6
    stop_after: int = 8
    price_in: float | None = None
    price_out: float | None = None
    asr: str = "auto"
    asr_model: str | None = None
    language: str | None = None
    bad_files: int = 20
    journal: Path | None = None
    ask_again: bool = False


def run(options: Options) -> tuple[dict[str, Any], list[str]]:
    """Runs the command; the summary, and the same as lines for people. Raises `LivemercError`s."""
    _check(options)
    outputs = Outputs.of(options.out, options.journal)
    teacher = make_teacher(options)
    rows, about = gather(options, outputs)
    if options.limit is not None:
        rows = rows[: options.limit]
    prices = None
    if options.price_in is not None and options.price_out is not None:
        prices = Prices(options.price_in, options.price_out)
    summary = pseudo_label(rows, teacher, outputs, about=about, prices=prices, ask_again=options.ask_again)
    return summary, _lines(summary, outputs)


def make_teacher(options: Options) -> Teacher:
    """The teacher that the flags ask for, ready to answer. Raises `ConfigError`, `ModelError`."""
    if options.teacher == "vader":
        from trainer.pseudo_labels.teachers import Vader

        return Vader()
    if options.model is None:
        raise ConfigError(f"--teacher {options.teacher} needs a --model: its name at the endpoint, or a classifier's.")
    if options.teacher == "classifier":
        from trainer.pseudo_labels.teachers import Classifier, read_label_map

        label_map = None if options.label_map is None else read_label_map(options.label_map)
        return Classifier(options.model, label_map, options.device)
    from trainer.pseudo_labels.endpoint import Endpoint, EndpointTeacher
    from trainer.pseudo_labels.request_pool import RetryPolicy

    policy = RetryPolicy(concurrency=options.concurrency, retries=options.retries, stop_after=options.stop_after)
    endpoint = Endpoint(
        model=options.model, base_url=options.base_url, key_env=options.key_env, timeout_s=options.timeout_s,
        retries=policy,
    )  # fmt: skip
    return EndpointTeacher(endpoint, os.environ)


def gather(options: Options, outputs: Outputs) -> tuple[list[SourceText], dict[str, Any]]:
    """The texts, and what the summary says of where they come from."""
    about: dict[str, Any] = {"input": str(options.source), "corpus": options.corpus, "split": options.split}
    if options.corpus is not None:
        from trainer.corpora.registry import read_corpus

        return corpus_texts(read_corpus(options.corpus, options.source, check=False), options.split), about
    if options.source.is_dir():
        from trainer.pseudo_labels.transcripts import transcribe_folder

        rows, heard = transcribe_folder(
            options.source, outputs.journal, asr=options.asr, model=options.asr_model, language=options.language,
            device=options.device, bad_files=options.bad_files,
        )  # fmt: skip
        return rows, about | {"audio": heard}
    columns = Columns(options.column, options.id_column, options.gold_column)
    return read_texts(options.source, columns, options.delimiter), about


def _check(options: Options) -> None:
    ranges = {
        "--limit": options.limit is None or options.limit >= 1,
        "--concurrency": 1 <= options.concurrency <= 1024,
        "--timeout-s": math.isfinite(options.timeout_s) and options.timeout_s > 0,
        "--retries": 0 <= options.retries <= 100,
        "--stop-after": options.stop_after >= 1,
        "--bad-files": options.bad_files >= 1,
        "--price-in": options.price_in is None or (math.isfinite(options.price_in) and options.price_in >= 0),
        "--price-out": options.price_out is None or (math.isfinite(options.price_out) and options.price_out >= 0),
    }
    for flag, in_range in ranges.items():
        if not in_range:
            raise ConfigError(f"{flag} is out of range; see `livemerc-train pseudo-label --help`.")
    if (options.price_in is None) != (options.price_out is None):
        raise ConfigError("--price-in and --price-out make a cost together; give both (0 for what is free).")
    if options.split is not None and options.corpus is None:
        raise ConfigError("--split goes with --corpus; a table has none.")


def _lines(summary: dict[str, Any], outputs: Outputs) -> list[str]:
    shares = ", ".join(f"{name} {summary['labels'][name]} ({summary['shares'][name]:.1%})" for name in SENTIMENTS)
    lines = [
        f"{outputs.corpus}: {sum(summary['labels'].values())} of {summary['rows']} texts labelled by "
        f"{summary['teacher']} ({summary['unique']} different ones, {summary['asked']} asked now, "
        f"{summary['from_journal']} known): {shares}"
    ]
    apart = {name: n for name, n in summary["apart"].items() if n}
    if apart:
        lines.append(f"{outputs.apart}: {', '.join(f'{n} {name}' for name, n in apart.items())}")
    if summary["cost"] is not None:
        lines.append(f"cost {summary['cost']:.4f}, of it {summary['cost_of_this_run'] or 0.0:.4f} now")
    if summary["agreement"] is not None:
        lines += agreement_lines(summary["agreement"])
    return lines
