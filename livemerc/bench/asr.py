"""`livemerc bench asr`: what Whispers hear of one's own files, each in its full window and in a short one.

Word errors come first, then what else decides between the windows: words lost, put in and said twice, closing
punctuation, labels that are not those of the full window, words on sounds that are none, and time.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from livemerc.asr.engine import AsrEngine, Transcript
from livemerc.asr.screening import screen
from livemerc.asr.select import load_whisper
from livemerc.asr.sidecar import MAX_BYTES, read_cues
from livemerc.bench import whisper
from livemerc.bench.measuring import DEMO, machine, machine_line, percentiles, progress
from livemerc.bench.noise import NOISES
from livemerc.config import SAMPLE_RATE_HZ, Config, load_config
from livemerc.errors import ConfigError, InputError, cause_of
from livemerc.notation import words
from livemerc.text_safety import encodable, plain_text

if TYPE_CHECKING:
    from livemerc.audio.items import EarItem, Utterance

TIMED = {".vtt", ".srt", ".stm"}
WINDOWS = ("full", "adaptive")
NOISE_CLIPS = 6
"""Of each kind of noise."""
_NOISE_S = (1.5, 3.0, 6.0)
_NOISE_RMS = 0.05


@dataclass(frozen=True, slots=True)
class Heard:
    """What one Whisper made of all utterances, file by file, and what it took."""

    transcripts: list[list[Transcript]]
    took_s: list[float]


def main(
    files: Sequence[Path] = (), references: Sequence[Path] = (), model: str | None = None, json: bool = False
) -> int:
    """Measures the bundled Whisper and `model` (default: base, where it is cached), and prints a table or one JSON
    object. Raises `ConfigError` where files and references do not pair or the model is not here, `InputError`,
    `ModelError`."""
    if len(files) != len(references):
        raise ConfigError(
            "--file and --reference go in pairs: give one transcript (VTT, SRT, STM or TXT) to each file."
        )
    whispers = whisper.at_hand(model)
    pairs = list(zip(files, references, strict=True)) or [(DEMO, DEMO.with_suffix(".vtt"))]
    figures = measure(pairs, load_config(), whispers)
    if json:
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        print("\n".join(table(figures)))
    return 0


def measure(pairs: Sequence[tuple[Path, Path]], config: Config, whispers: dict[str, Path]) -> dict[str, Any]:
    """`rows`, one for each Whisper and window: {asr, window, word_errors, wer, lost, added, doubled, closed,
    labels_as_full, invented, second_passes, second_passes_why, asr_s, rtf, ms{p50, p95, n}}. `closed`: share of texts
    that end in a full stop, a question or an exclamation mark; `labels_as_full`: share of frozen labels that are those
    of the same Whisper's full window; `invented`: texts on
    `noise_clips` clips of noise that the screening lets pass."""
    references = [reference_words(reference) for _, reference in pairs]
    heard = [_items(file, config) for file, _ in pairs]
    utterances = [_utterances(items) for items in heard]
    sounds = _noises()
    rows = []
    for name, folder in whispers.items():
        labels_in_full: list[str | None] | None = None
        for window in WINDOWS:
            progress(f"Whisper {plain_text(name)}, {window} window")
            looking = whisper.looking(config, window)
            engine = load_whisper(name, folder, looking)[0]
            found = _hear(engine, utterances)
            labels = _labels(heard, found, config)
            labels_in_full = labels_in_full or labels
            rows.append(
                {"asr": encodable(f"{engine.engine} {engine.model or ''}".rstrip()), "window": window}
                | _row(found, utterances, references)
                | {
                    "labels_as_full": _share_alike(labels, labels_in_full),
                    "invented": _invented(engine, sounds, config),
                }
            )  # fmt: skip
            engine.close()
    return {
        "machine": machine(),
        "files": [encodable(file.name) for file, _ in pairs],
        "words": sum(map(len, references)),
        "utterances": sum(map(len, utterances)),
        "speech_s": _length_s(utterances),
        "noise_clips": len(sounds),
        "rows": rows,
    }


def reference_words(path: Path) -> list[str]:
    """What was said, by a timed transcript (VTT, SRT, STM) or plain text in UTF-8. Raises `InputError`."""
    if path.suffix.lower() in TIMED:
        found = words(" ".join(cue.text for cue in read_cues(path)))
    else:
        try:
            if path.stat().st_size > MAX_BYTES:
                raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB, no transcript; check --reference.")
            found = words(path.read_text("utf-8"))
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({cause_of(error)}); check --reference.") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 text; give a VTT, SRT, STM or plain text file.") from error
    if not found:
        raise InputError(f"{path}: no words in it; check --reference.")
    return found


_ABBREVIATED = {"mr": "mister", "mrs": "missus", "dr": "doctor"}
"""How a Whisper spells what a transcript may write out: another spelling is no error of hearing."""


@dataclass(frozen=True, slots=True)
class Edits:
    """From what was said to what was heard; `lost` and `added` are as few as that many edits allow."""

    all: int
    lost: int
    added: int


def edits(reference: Sequence[str], heard: Sequence[str]) -> Edits:
    """Words put in, left out or changed (Levenshtein); an hour of speech in a second. "Mr" for "mister" is no edit."""
    reference, heard = ([_ABBREVIATED.get(word, word) for word in one] for one in (reference, heard))
    number = {word: i for i, word in enumerate(dict.fromkeys((*reference, *heard)))}
    one = len(reference) + 1  # an edit; what is left over counts the lost words
    columns = np.arange(len(heard) + 1) * one
    of_heard = np.array([number[word] for word in heard], np.int64)
    row = columns.copy()
    for i, word in enumerate(reference, start=1):
        changed = row[:-1] + one * (of_heard != number[word])
        best = np.concatenate(([i * (one + 1)], np.minimum(row[1:] + one + 1, changed)))
        row = np.minimum.accumulate(best - columns) + columns  # and what is put in, from the left
    count, lost = divmod(int(row[-1]), one)
    return Edits(count, lost, lost + len(heard) - len(reference))


def doubled(said: Sequence[str]) -> int:
    """Words of phrases (two words and more) that are said again at once."""
    count = at = 0
    while at < len(said):
        lengths = range((len(said) - at) // 2, 1, -1)
        twice = next((n for n in lengths if said[at : at + n] == said[at + n : at + 2 * n]), 0)
        count += twice
        at += twice or 1
    return count


def _items(file: Path, config: Config) -> list[EarItem]:
    """What the ears say of a file."""
    from livemerc.audio.ears import Ears
    from livemerc.audio.file_source import FileSource

    source = FileSource(file, speed=0)
    ears = Ears(config, source.rate_hz)
    items = [item for block in source.blocks() for item in ears.feed(block)] + ears.flush()
    if not _utterances(items):
        raise InputError(f"{file}: no speech in it; check --file.")
    return items


def _utterances(items: Sequence[EarItem]) -> list[Utterance]:
    from livemerc.audio.items import Utterance

    return [item for item in items if isinstance(item, Utterance)]


def _length_s(files: Sequence[Sequence[Utterance]]) -> float:
    return sum(len(utterance.samples) for utterances in files for utterance in utterances) / SAMPLE_RATE_HZ


def _hear(engine: AsrEngine, files: Sequence[Sequence[Utterance]]) -> Heard:
    engine.transcribe(files[0][0])  # first calls allocate
    transcripts, took_s = [], list[float]()
    for utterances in files:
        transcripts.append(list[Transcript]())
        for utterance in utterances:
            began = time.perf_counter()
            transcripts[-1].append(engine.transcribe(utterance))
            took_s.append(time.perf_counter() - began)
    return Heard(transcripts, took_s)


def _row(heard: Heard, files: Sequence[Sequence[Utterance]], references: Sequence[Sequence[str]]) -> dict[str, Any]:
    found = [
        edits(reference, words(" ".join(one.text for one in transcripts)))
        for transcripts, reference in zip(heard.transcripts, references, strict=True)
    ]
    every = [one for transcripts in heard.transcripts for one in transcripts]
    why = Counter(one.second_pass for one in every if one.second_pass is not None)
    wrong = sum(one.all for one in found)
    return {
        "word_errors": wrong,
        "wer": wrong / sum(map(len, references)),
        "lost": sum(one.lost for one in found),
        "added": sum(one.added for one in found),
        "doubled": sum(doubled(words(one.text)) for one in every),
        "closed": sum(one.text.endswith((".", "?", "!")) for one in every) / len(every),
        "second_passes": sum(why.values()),
        "second_passes_why": dict(why),
        "asr_s": sum(heard.took_s),
        "rtf": sum(heard.took_s) / _length_s(files),
        "ms": percentiles([seconds * 1000 for seconds in heard.took_s]),
    }


def _share_alike(labels: Sequence[str | None], others: Sequence[str | None]) -> float:
    return sum(one == other for one, other in zip(labels, others, strict=True)) / len(labels)


class _Again:
    """A recogniser that says once more what was heard."""

    engine = "again"
    model: str | None = None
    repeatable = True

    def __init__(self, transcripts: Sequence[Transcript]) -> None:
        self._left = list(reversed(transcripts))

    def transcribe(self, utterance: Utterance) -> Transcript:
        return self._left.pop()

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None:
        pass


def _labels(files: Sequence[Sequence[EarItem]], heard: Heard, config: Config) -> list[str | None]:
    """Frozen labels of all utterances; None = abstained."""
    from livemerc.audio.items import Quiet, Utterance
    from livemerc.events import EmotionEvent
    from livemerc.pipeline.loader import load_processor

    again = _Again([one for transcripts in heard.transcripts for one in transcripts])
    processor = load_processor(config, lambda: again)
    labels: list[str | None] = []
    for items in files:
        processor.begin_dialogue()
        frozen: dict[str, str | None] = {}
        talk = [item for item in items if isinstance(item, Utterance | Quiet)]
        for item in (*talk, Quiet(_utterances(items)[-1].decided_s)):  # what is open at the end freezes
            for event in processor.handle(item):
                if isinstance(event, EmotionEvent) and event.status == "frozen":
                    frozen[event.utterance_id] = None if event.abstained else event.label
        labels += [frozen.get(utterance.utterance_id) for utterance in _utterances(items)]
    processor.close()
    return labels


def _noises() -> list[Utterance]:
    """As if a detector took them for speech."""
    from livemerc.audio.items import Utterance

    clips = []
    for name, make in NOISES.items():
        for i in range(NOISE_CLIPS):
            length_s = _NOISE_S[i % len(_NOISE_S)]
            samples = make(round(length_s * SAMPLE_RATE_HZ), np.random.default_rng(i)) * _NOISE_RMS
            clips.append(Utterance(f"{name}{i}", samples.astype(np.float32), 0.0, 0.0, length_s, length_s, False))
    return clips


def _invented(engine: AsrEngine, clips: Sequence[Utterance], config: Config) -> int:
    return sum(screen(engine.transcribe(clip), clip, config.screening).gated is None for clip in clips)


def table(f: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    names = [f"{plain_text(row['asr'])}, {row['window']}" for row in f["rows"]]
    width = max(map(len, names))
    titles = (
        "WER",
        "wrong",
        "lost",
        "added",
        "twice",
        "closed",
        "labels",
        "invented",
        "RTF",
        "p50 ms",
        "p95 ms",
        "again",
    )
    lines = [
        machine_line(f["machine"]),
        f"{', '.join(map(plain_text, f['files']))}: {f['words']} words, {f['utterances']} utterances, "
        f"{f['speech_s']:.0f} s with pre-roll and hangover",
        "",
        f"{'':{width}} " + " ".join(f"{title:>{max(6, len(title))}}" for title in titles),
    ]
    for name, row in zip(names, f["rows"], strict=True):
        labels = f"{row['labels_as_full']:.2f}"
        lines.append(
            f"{name:{width}} {row['wer']:6.3f} {row['word_errors']:6} {row['lost']:6} {row['added']:6} "
            f"{row['doubled']:6} {row['closed']:6.2f} {labels:>6} {row['invented']:8} {row['rtf']:6.3f} "
            f"{row['ms']['p50']:6.0f} {row['ms']['p95']:6.0f} {row['second_passes']:6}"
        )
        lines += [f"  again because of {why}: {times}" for why, times in row["second_passes_why"].items()]
    return [
        *lines,
        "",
        "wrong: words lost, added or changed; twice: words of phrases said again at once; closed: texts that end in a "
        "full stop,",
        "question or exclamation mark; labels: frozen labels that are those of the full window; invented: texts on "
        f"{f['noise_clips']} noises",
        "that the screening lets pass; again: utterances for which a short window was not enough.",
    ]
