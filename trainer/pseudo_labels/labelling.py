"""Labels texts: asks a teacher, keeps its answers, writes the labelled corpus (`livemerc-train pseudo-label`).

MERITS-L, section 3.1 (arXiv 2501.11468): transcripts of unlabelled speech, labelled by a large language model, on which
the text encoder is trained before it sees an emotion.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from livemerc.errors import InputError, LivemercError
from trainer.corpora.corpus import SENTIMENTS
from trainer.loop.progress import Progress
from trainer.pseudo_labels.agreement import agreement
from trainer.pseudo_labels.answers import Journal, answer_key
from trainer.pseudo_labels.cost import Bill
from trainer.pseudo_labels.labelled_corpus import COLUMNS, write_csv, write_text
from trainer.pseudo_labels.options import PseudoLabelOptions
from trainer.pseudo_labels.teachers import Answer, Teacher, sha256
from trainer.pseudo_labels.texts import SourceText

APART = ("malformed", "refused", "rejected")


def pseudo_label(
    rows: Sequence[SourceText], teacher: Teacher, options: PseudoLabelOptions, about: dict[str, Any]
) -> dict[str, Any]:
    """Labels `rows`, writes corpus, summary and what is kept apart; returns the summary.

    Each text is asked once, whatever the number of rows that hold it, and never again once the journal has its answer;
    `ask_again` drops the answers that are no labels first. The corpus has the rows with a label, in input order.
    `about` goes into the summary as it is. Raises `InputError` (nothing to label), `LivemercError` (the teacher fails:
    the journal keeps what is answered, nothing else is written; or no text got a label; or some have no answer).
    """
    worded = [row for row in rows if row.text]
    if not worded:
        raise InputError(f"there is no text to label ({len(rows)} rows, all empty); check the input and --column.")
    keys = [answer_key(teacher.identity, row.text) for row in worded]
    texts = dict(zip(keys, (row.text for row in worded), strict=True))  # a text once, in the order of its first row
    began = time.monotonic()
    with Journal(options.answers) as journal:
        answers = journal.answers(texts)
        if options.ask_again:
            again = [key for key, answer in answers.items() if answer.status != "label"]
            journal.forget(again)
            for key in again:
                del answers[key]
        known = len(answers)
        teacher.proven = known > 0
        pending = [key for key in texts if key not in answers]
        asked: dict[str, Answer] = {}
        bill = Bill(options)

        def record(some: Sequence[tuple[int, Answer]]) -> None:
            journal.add(teacher.name, [(pending[i], texts[pending[i]], answer) for i, answer in some])
            asked.update((pending[i], answer) for i, answer in some)
            bill.add(answer for _, answer in some)
            progress.update(len(asked), bill.note)

        def forget(some: Sequence[int]) -> None:
            journal.forget([pending[i] for i in some])
            for i in some:
                asked.pop(pending[i], None)

        with Progress(teacher.name, 0, len(pending), unit="text") as progress:
            if known:
                progress.say(f"{known} answers are in the journal already, {len(pending)} are to be asked.")
            try:
                unanswered = teacher.label_all([texts[key] for key in pending], record, forget)
            except LivemercError as error:
                kept = f"{known + len(asked)} of {len(texts)} answers are kept in {options.answers}"
                raise type(error)(f"{str(error).rstrip('.')}; {kept}: the same command goes on from there.") from error
            except KeyboardInterrupt:
                progress.say(f"stopped: {known + len(asked)} of {len(texts)} answers are kept in {options.answers}.")
                raise
    answers |= asked
    summary = _summary(rows, worded, keys, answers, teacher, options) | {
        "from_journal": known,
        "asked": len(asked),
        "requests": teacher.requests,
        "retries": teacher.retries,
        "unanswered": unanswered,
        "cost_of_this_run": bill.cost,
        "seconds": round(time.monotonic() - began, 3),
    }
    prompt = sha256(teacher.prompt) if teacher.prompt is not None else ""
    found = [(row, answers.get(key)) for row, key in zip(worded, keys, strict=True)]
    write_csv(
        options.out, COLUMNS,
        [(row.text, a.label, row.source, teacher.name, prompt) for row, a in found if a is not None and a.label],
    )  # fmt: skip
    apart = [(row, a) for row, a in found if a is not None and not a.label]
    if apart:
        write_csv(
            options.apart, ("text", "status", "raw", "source", "teacher", "prompt_sha256"),
            [(row.text, a.status, a.raw, row.source, teacher.name, prompt) for row, a in apart],
        )  # fmt: skip
    else:
        options.apart.unlink(missing_ok=True)
    summary = {**about, **summary}
    write_text(options.out.with_suffix(".json"), json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    if unanswered:
        raise LivemercError(
            f"{unanswered} of {len(texts)} texts got no answer ({teacher.last_failure}); {options.out} holds the "
            "others, and the same command asks only for what is missing."
        )
    if not any(summary["labels"].values()):
        raise LivemercError(
            f"none of {len(texts)} answers is a label (the first: {apart[0][1].raw[:60]!r}); they are in "
            f"{options.apart}: choose another --model."
        )
    return summary


def _summary(
    rows: Sequence[SourceText],
    worded: Sequence[SourceText],
    keys: Sequence[str],
    answers: dict[str, Answer],
    teacher: Teacher,
    options: PseudoLabelOptions,
) -> dict[str, Any]:
    unique = dict.fromkeys(keys)
    status: Counter[str] = Counter(answers[key].status for key in unique if key in answers)
    found = [answers[key].label if key in answers else None for key in keys]
    labels = Counter(label for label in found if label)
    bill = Bill(options)
    bill.add(answers[key] for key in unique if key in answers)
    return {
        "teacher": teacher.name,
        "teacher_settings": json.loads(teacher.identity),
        "endpoint": teacher.account() or None,
        "prompt": teacher.prompt,
        "prompt_sha256": sha256(teacher.prompt) if teacher.prompt is not None else None,
        "rows": len(rows),
        "empty": len(rows) - len(worded),
        "unique": len(unique),
        "labels": {name: labels[name] for name in SENTIMENTS},
        "shares": {name: labels[name] / max(1, labels.total()) for name in SENTIMENTS},
        "apart": {name: status[name] for name in APART},
        "tokens": {"prompt": bill.prompt, "completion": bill.completion},
        "cost": bill.cost,
        "agreement": agreement([(row.gold, label) for row, label in zip(worded, found, strict=True) if row.gold]),
    }  # fmt: skip
