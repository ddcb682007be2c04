"""`livemerc compare`: the comparison of two recorded sessions as a table, or as one JSON object."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import msgspec
from rich.cells import cell_len, set_cell_size

from livemerc.errors import EXIT_OK, InputError, warn
from livemerc.notation import clock, fraction
from livemerc.sessions.comparison import Comparison, Pair, compare, head_of, heard
from livemerc.sessions.session import RecordedUtterance, read_session
from livemerc.text_safety import encodable, sure_width

_LABEL_CELLS = 9


def print_comparison(first: Path, second: Path, *, json: bool, everything: bool) -> int:
    """Print the comparison of two sessions. Returns the exit code. Raises `InputError`.

    everything: pairs that agree are shown too.
    """
    sessions = [read_session(path) for path in (first, second)]
    for path, session in zip((first, second), sessions, strict=True):
        warn(*session.warnings)
        if not session.utterances:
            raise InputError(f"{path}: no utterances in this session; there is nothing to compare.")
    found = compare(*sessions)
    if sessions[0].source != sessions[1].source:
        sources = " and ".join(encodable(session.source) or "unknown" for session in sessions)
        warn(f"the sources differ ({sources}): times agree only by chance.")
    if json:
        sys.stdout.buffer.write(msgspec.json.encode(found.as_object()) + b"\n")
    else:
        width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 160
        for line in lines(found, max(60, width), everything=everything):
            encoding = sys.stdout.encoding or "utf-8"
            print(line.encode(encoding, "backslashreplace").decode(encoding))
    return EXIT_OK


def lines(found: Comparison, width: int, *, everything: bool) -> list[str]:
    """The comparison as text that steers no terminal. Pairs that agree are in it only with `everything`."""
    out = _summary(found)
    time = 9 if max(found.a.duration_s, found.b.duration_s) >= 3600 else 7
    speaker = min(10, max((cell_len(sure_width(u.heard_speaker or "")) for u in found.a.utterances), default=0))
    shown = [
        (pair.a.start_s, pair.a, pair.b, pair)
        for pair in found.pairs
        if everything or pair.labels_differ or pair.doubts_differ or pair.words_differ
    ]
    rows: list[tuple[float, RecordedUtterance | None, RecordedUtterance | None, Pair | None]] = [*shown]
    rows += [(u.start_s, u, None, None) for u in found.only_a] + [(u.start_s, None, u, None) for u in found.only_b]
    if rows:
        out.append("")
        head = f"{'time':<{time}}  " + (f"{'speaker':<{speaker}}  " if speaker else "")
        out.append(f"   {head}{'A':<{_LABEL_CELLS + 6}}{'B':<{_LABEL_CELLS + 6}}words")
    for start_s, one, other, pair in sorted(rows, key=lambda row: row[0]):
        out += _table_row(start_s, one, other, pair, time, speaker, width)
    if found.judged:
        out += ["", *_confusion_lines(found)]
    return out


def _summary(found: Comparison) -> list[str]:
    out = []
    for name, session in (("A", found.a), ("B", found.b)):
        head = head_of(session)
        asr = "" if head["asr"] is None else f", words from {head['asr'].engine} {head['asr'].model or ''}".rstrip()
        of = head["rerun_of"]
        again = "" if of is None else f", {of.session} run again by its {'words' if of.what == 'text' else 'audio'}"
        out.append(
            f"{name}  {sure_width(head['session'])}: {_count(head['utterances'], 'utterance')}, checkpoint "
            f"{sure_width(head['checkpoint'] or 'unknown')}{sure_width(asr)}{sure_width(again)}"
        )
    judged = found.judged
    out += [
        "",
        f"{_count(len(found.pairs), 'utterance')} in both, {len(found.only_a)} only in A, "
        f"{len(found.only_b)} only in B",
    ]
    agreement, kappa, change = found.agreement(), found.kappa(), found.confidence_change()
    if agreement is not None and change is not None:
        same = sum(not pair.labels_differ for pair in judged)
        chance = "" if kappa is None else f", Cohen's kappa {_signed(kappa, plus=False)}"
        out.append(f"labels agree in {same} of {len(judged)} ({agreement:.0%}){chance}")
        doubts = found.abstained()
        out.append(
            f"not sure: only A {doubts['only_a']}, only B {doubts['only_b']}, both {doubts['both']}; verdicts agree in "
            f"{found.verdict_agreement():.0%}"
        )
        out.append(f"confidence of B less that of A: {_signed(change)} on average")
    errors = found.word_errors()
    rate = "" if errors["rate"] is None else f", word error rate {errors['rate']:.3f} with A as the reference"
    out.append(
        f"words: {errors['words_a']} in A, {errors['words_b']} in B, {_count(errors['edits'], 'edit')} apart{rate}"
    )
    person = found.against_person()
    if person is not None:
        out.append(
            f"of {_count(person['n'], 'utterance')} that a person labelled, A has {person['accuracy_a']:.0%} right, B "
            f"{person['accuracy_b']:.0%}"
        )
    return out


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _signed(value: float, *, plus: bool = True) -> str:
    sign = "-" if value < -0.005 else "+" if plus else ""
    return sign + fraction(abs(value))


def _table_row(
    start_s: float,
    one: RecordedUtterance | None,
    other: RecordedUtterance | None,
    pair: Pair | None,
    time: int,
    speaker: int,
    width: int,
) -> list[str]:
    """One line, or two where the words differ.

    Marks: `≠` the labels differ, `○` only one is sure, `"` only the words differ, `A` / `B` it is only there.
    """
    first = one or other
    assert first is not None
    mark = "A" if other is None else "B" if one is None else " "
    if pair is not None:
        mark = "≠" if pair.labels_differ else "○" if pair.doubts_differ else '"' if pair.words_differ else " "
    row = f" {mark} {clock(start_s, tenths=True):<{time}}  "
    if speaker:
        row += set_cell_size(sure_width(first.heard_speaker or ""), speaker) + "  "
    row += "".join(_verdict_cells(utterance) for utterance in (one, other))
    said = [sure_width(u.heard_text) + (f" ({sure_width(u.asr.gated)})" if not heard(u) and u.asr.gated else "")
            for u in (one, other) if u is not None]  # fmt: skip
    texts = said if pair is not None and pair.words_differ else said[:1]
    names = ("A ", "B ") if len(texts) == 2 else ("", "")
    extra = "" if pair is None or pair.truth is None else f"  [a person: {sure_width(pair.truth)[:20]}]"
    out = []
    for number, (name, text) in enumerate(zip(names, texts, strict=False)):
        front = row if not number else " " * cell_len(row)
        room = max(12, width - cell_len(front) - cell_len(name) - 1 - (cell_len(extra) if not number else 0))
        short = text if cell_len(text) <= room else set_cell_size(text, room - 1) + "…"
        out.append((front + name + short + (extra if not number else "")).rstrip())
    return out


def _verdict_cells(utterance: RecordedUtterance | None) -> str:
    if utterance is None or utterance.estimate is None:
        return set_cell_size("-", _LABEL_CELLS + 6)
    sign = "○" if utterance.estimate.abstained else " "
    name = set_cell_size(sure_width(utterance.estimate.label), _LABEL_CELLS)
    return f"{sign}{name} {fraction(utterance.estimate.confidence):<3} "


def _confusion_lines(found: Comparison) -> list[str]:
    confusion = found.confusion()
    used = [
        label
        for label in found.labels
        if any(confusion[label].values()) or any(confusion[o][label] for o in found.labels)
    ]
    out = [" " * (_LABEL_CELLS + 5) + "".join(f"{set_cell_size(sure_width(label), 8)} " for label in used) + " (B)"]
    for number, label in enumerate(used):
        cells = "".join(f"{confusion[label][other] or '.':<8} " for other in used)
        out.append(f"{'(A)' if not number else '':<4} {set_cell_size(sure_width(label), _LABEL_CELLS)}{cells}".rstrip())
    return out
