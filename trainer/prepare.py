"""Reads a corpus, opens its audio, and says what there is to train on (`livemerc-train prepare`)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from livemerc.errors import ConfigError
from livemerc.text_safety import encodable, sure_width
from trainer.corpora.audio_check import AudioReport, check_audio
from trainer.corpora.check import faults, shared_speakers
from trainer.corpora.corpus import Corpus
from trainer.corpora.manifest import write_manifest
from trainer.corpora.registry import read_corpus

_NAMED = 5  # a longer list names only this many files or speakers


def prepare(
    name: str,
    path: Path,
    options: dict[str, Any],
    *,
    decode: bool = False,
    max_bad_share: float = 0.05,
    allow_shared_speakers: bool = False,
    progress: bool = False,
    manifest: Path | None = None,
) -> dict[str, Any]:
    """The corpus as one object: {"corpus", "path", "labels", "note", "splits": {split: {"dialogues", "utterances",
    "hours"|None, "speakers", "classes": {label: n}, "unlabelled", "without_text", "without_audio"}}, "audio":
    {"expected", "usable", "missing": [...], "undecodable": [...], "bad_share"}|None, "shared_speakers": [{"splits",
    "count", "speakers"}], "warnings": [...], "errors": [...]}.

    "errors" holds the sentences that forbid training (empty: none), in the order of their weight; hours are of audio
    that can be used. `decode`: decode all audio instead of headers and first frames. `max_bad_share`: share of the
    utterances that should have audio and may lack it. `manifest`: where the labelled utterances of all splits are
    written, if there are no errors; "manifest" {"path", "rows"} then says so. Raises `ConfigError`; `InputError` for
    a row or folder that cannot be read or a manifest that cannot be written.
    """
    if not 0 <= max_bad_share <= 1:
        raise ConfigError("--max-bad-share is a share: 0 to 1.")
    corpus, audio = check_audio(read_corpus(name, path, check=False, **options), decode=decode, progress=progress)
    errors = faults(corpus, allow_shared_speakers=allow_shared_speakers)
    too_bad = audio.limit(max_bad_share)
    if too_bad is not None:
        errors.append(f"{corpus.name}: {too_bad}")
    shared = [
        {"splits": list(pair), "count": len(speakers), "speakers": [encodable(s) for s in speakers]}
        for pair, speakers in shared_speakers(corpus).items()
    ]
    written = {}
    if manifest is not None and not errors:
        written = {"manifest": {"path": encodable(str(manifest)), "rows": write_manifest(corpus, manifest)}}
    return {
        "corpus": corpus.name,
        "path": encodable(str(path)),
        "labels": list(corpus.labels),
        "note": encodable(corpus.note),
        "splits": {split: _split(corpus, split, audio) for split in corpus.splits},
        "audio": _audio(corpus, audio) if audio.expected else None,
        "shared_speakers": shared,
        "warnings": [*_warnings(corpus), *map(encodable, audio.warnings)],
        "errors": [encodable(e) for e in errors],
        **written,
    }


def _split(corpus: Corpus, split: str, audio: AudioReport) -> dict[str, Any]:
    utterances = list(corpus.utterances(split))
    counts = Counter(u.emotion for u in utterances if u.emotion is not None)
    seconds = [s for key, s in audio.seconds.items() if key[0] == split]
    return {
        "dialogues": len(corpus.splits[split]),
        "utterances": len(utterances),
        "hours": sum(seconds) / 3600 if audio.expected else None,
        "speakers": len({u.speaker for u in utterances if u.speaker is not None}),
        "classes": {label: counts[label] for label in corpus.labels},
        "unlabelled": sum(u.emotion is None for u in utterances),
        "without_text": sum(not u.text for u in utterances),
        "without_audio": sum(u.audio is None for u in utterances),
    }


def _audio(corpus: Corpus, audio: AudioReport) -> dict[str, Any]:
    return {
        "expected": audio.expected,
        "usable": len(audio.seconds),
        "missing": [encodable(str(p)) for p in dict.fromkeys(corpus.missing_audio)],
        "undecodable": [encodable(sentence) for sentence in audio.undecodable.values()],
        "bad_share": audio.bad_share,
    }


def _warnings(corpus: Corpus) -> list[str]:
    found = []
    shared = shared_speakers(corpus)
    if corpus.shares_speakers and shared:
        pairs = ", ".join(f"{one} and {other} {len(speakers)}" for (one, other), speakers in shared.items())
        found.append(
            f"splits share speakers ({pairs}): so does this corpus' official split, and its published figures are of "
            "known voices."
        )
    if "train" in corpus.splits:
        learnt = {u.emotion for u in corpus.utterances("train")}
        for split in corpus.splits:
            unseen = {u.emotion for u in corpus.utterances(split) if u.emotion is not None} - learnt
            if unseen:
                found.append(f"{split} holds classes that train lacks: {', '.join(sorted(unseen))}.")
    return [encodable(w) for w in found]


def table(figures: dict[str, Any]) -> list[str]:
    """`prepare`'s object as lines for people; errors are not in it: they end the program."""
    labels = figures["labels"]
    head = ["split", "dialogues", "utterances", "hours", "speakers", *labels]
    unlabelled = any(s["unlabelled"] for s in figures["splits"].values())
    if unlabelled:
        head.append("(no label)")
    rows = [head]
    for split, s in figures["splits"].items():
        hours = "-" if s["hours"] is None else f"{s['hours']:.2f}"
        row = [split, str(s["dialogues"]), str(s["utterances"]), hours, str(s["speakers"] or "-")]
        row += [str(s["classes"][label]) for label in labels]
        rows.append(row + [str(s["unlabelled"])] * unlabelled)
    rows = [[sure_width(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [f"{figures['corpus']} at {figures['path']}"]
    for row in rows:
        lines.append(
            "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        )
    audio = figures["audio"]
    if audio is None:
        lines.append("audio: none")
    else:
        lines.append(f"audio: {audio['usable']} of {audio['expected']} utterances")
        lines += _named("missing", audio["missing"])
        lines += _named("does not decode", audio["undecodable"])
    for shared in figures["shared_speakers"]:
        lines += _named(f"speakers in both {' and '.join(shared['splits'])}", shared["speakers"])
    if figures["note"]:
        lines.append(f"note: {figures['note']}")
    lines += [f"warning: {w}" for w in figures["warnings"]]
    if "manifest" in figures:
        lines.append(f"manifest: {figures['manifest']['rows']} utterances in {figures['manifest']['path']}")
    return [sure_width(line) for line in lines]


def _named(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = [f"  ... and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return [f"{what}: {len(names)}", *(f"  {name}" for name in names[:_NAMED]), *more]
