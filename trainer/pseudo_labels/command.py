"""`livemerc-train pseudo-label`: from flags to texts, a teacher and a labelled corpus."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from trainer.corpora.corpus import SENTIMENTS
from trainer.pseudo_labels.agreement import agreement_lines
from trainer.pseudo_labels.choice import make_teacher
from trainer.pseudo_labels.labelling import pseudo_label
from trainer.pseudo_labels.options import PseudoLabelOptions
from trainer.pseudo_labels.teachers import LocalTeacher
from trainer.pseudo_labels.texts import SourceText, corpus_texts, read_texts


def run(source: Path, options: PseudoLabelOptions) -> tuple[dict[str, Any], list[str]]:
    """Runs the command; the summary, and the same as lines for people. Raises `LivemercError`s."""
    options.check()
    with contextlib.ExitStack() as stack:
        teacher = make_teacher(options)
        if options.ray:
            from trainer.pseudo_labels.on_ray import SharedTeacher, on_cluster

            stack.enter_context(on_cluster())
            if isinstance(teacher, LocalTeacher):  # an endpoint is asked from here
                teacher = SharedTeacher(teacher, options)
        rows, about = gather(source, options)
        if options.limit is not None:
            rows = rows[: options.limit]
        summary = pseudo_label(rows, teacher, options, about)
    return summary, _lines(summary, options)


def gather(source: Path, options: PseudoLabelOptions) -> tuple[list[SourceText], dict[str, Any]]:
    """The texts, and what the summary says of where they come from."""
    about: dict[str, Any] = {"input": str(source), "corpus": options.corpus, "split": options.split}
    if options.corpus is not None:
        from trainer.corpora.registry import read_corpus

        return corpus_texts(read_corpus(options.corpus, source, check=False), options.split), about
    if source.is_dir():
        from trainer.pseudo_labels.transcripts import transcribe_folder

        rows, heard = transcribe_folder(source, options)
        return rows, about | {"audio": heard}
    return read_texts(source, options), about


def _lines(summary: dict[str, Any], options: PseudoLabelOptions) -> list[str]:
    shares = ", ".join(f"{name} {summary['labels'][name]} ({summary['shares'][name]:.1%})" for name in SENTIMENTS)
    lines = [
        f"{options.out}: {sum(summary['labels'].values())} of {summary['rows']} texts labelled by "
        f"{summary['teacher']} ({summary['unique']} different ones, {summary['asked']} asked now, "
        f"{summary['from_journal']} known): {shares}"
    ]
    apart = {name: n for name, n in summary["apart"].items() if n}
    if apart:
        lines.append(f"{options.apart}: {', '.join(f'{n} {name}' for name, n in apart.items())}")
    if summary["cost"] is not None:
        lines.append(f"cost {summary['cost']:.4f}, of it {summary['cost_of_this_run'] or 0.0:.4f} now")
    if summary["agreement"] is not None:
        lines += agreement_lines(summary["agreement"])
    return lines
