"""`livemerc-train pseudo-label`: from flags to texts, a teacher and a labelled corpus."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from livemerc.errors import ConfigError
from trainer.corpora.corpus import SENTIMENTS
from trainer.pseudo_labels.agreement import agreement_lines
from trainer.pseudo_labels.cost import Prices
from trainer.pseudo_labels.labelled_corpus import Outputs
from trainer.pseudo_labels.labelling import pseudo_label
from trainer.pseudo_labels.options import PseudoLabelOptions
from trainer.pseudo_labels.teachers import Teacher
from trainer.pseudo_labels.texts import Columns, SourceText, corpus_texts, read_texts


def run(source: Path, options: PseudoLabelOptions) -> tuple[dict[str, Any], list[str]]:
    """Runs the command; the summary, and the same as lines for people. Raises `LivemercError`s."""
    options.check()
    outputs = Outputs.of(options.out, options.journal)
    teacher = make_teacher(options)
    rows, about = gather(source, options, outputs)
    if options.limit is not None:
        rows = rows[: options.limit]
    prices = None
    if options.price_in is not None and options.price_out is not None:
        prices = Prices(options.price_in, options.price_out)
    summary = pseudo_label(rows, teacher, outputs, about=about, prices=prices, ask_again=options.ask_again)
    return summary, _lines(summary, outputs)


def make_teacher(options: PseudoLabelOptions) -> Teacher:
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
    from trainer.pseudo_labels.request_pool import RetryPolicy
    from trainer.pseudo_labels.teacher_endpoint import Endpoint, EndpointTeacher

    policy = RetryPolicy(concurrency=options.concurrency, retries=options.retries, stop_after=options.stop_after)
    endpoint = Endpoint(
        model=options.model, base_url=options.base_url, key_env=options.key_env, timeout_s=options.timeout_s,
        retries=policy,
    )  # fmt: skip
    return EndpointTeacher(endpoint, os.environ)


def gather(source: Path, options: PseudoLabelOptions, outputs: Outputs) -> tuple[list[SourceText], dict[str, Any]]:
    """The texts, and what the summary says of where they come from."""
    about: dict[str, Any] = {"input": str(source), "corpus": options.corpus, "split": options.split}
    if options.corpus is not None:
        from trainer.corpora.registry import read_corpus

        return corpus_texts(read_corpus(options.corpus, source, check=False), options.split), about
    if source.is_dir():
        from trainer.pseudo_labels.transcripts import transcribe_folder

        rows, heard = transcribe_folder(
            source, outputs.journal, asr=options.asr, model=options.asr_model, language=options.language,
            device=options.device, bad_files=options.bad_files,
        )  # fmt: skip
        return rows, about | {"audio": heard}
    columns = Columns(options.column, options.id_column, options.gold_column)
    return read_texts(source, columns, options.delimiter), about


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
