"""`livemerc bench asr`: word errors and time of the recogniser on one's own files; a Whisper's in both windows."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from livemerc.asr.engine import AsrEngine
from livemerc.asr.sidecar import MAX_BYTES, read_cues
from livemerc.bench.measuring import DEMO, machine, machine_line, percentiles
from livemerc.config import SAMPLE_RATE_HZ, Config, load_config
from livemerc.errors import ConfigError, InputError, cause_of
from livemerc.notation import words
from livemerc.text_safety import encodable, plain_text

if TYPE_CHECKING:
    from livemerc.audio.items import Utterance

TIMED = {".vtt", ".srt", ".stm"}


def main(
    files: Sequence[Path] = (), references: Sequence[Path] = (), model: str | None = None, json: bool = False
) -> int:
    """Measures the user's recogniser, or the Whisper `model`, and prints a table or one JSON object.

    Raises `ConfigError` where files and references do not pair, `InputError`, `ModelError`.
    """
    if len(files) != len(references):
        raise ConfigError(
            "--file and --reference go in pairs: give one transcript (VTT, SRT, STM or TXT) to each file."
        )
    pairs = list(zip(files, references, strict=True)) or [(DEMO, DEMO.with_suffix(".vtt"))]
    config = load_config(overrides={"asr.model": model, "asr.engine": None if model is None else "faster-whisper"})
    figures = measure(pairs, config)
    if json:
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        print("\n".join(table(figures)))
    return 0


def measure(pairs: Sequence[tuple[Path, Path]], config: Config) -> dict[str, Any]:
    """One row for each way to hear the same utterances: {asr, window, word_errors, wer, second_passes, asr_s, rtf,
    ms{p50, p95, n}}."""
    references = [reference_words(reference) for _, reference in pairs]
    heard = [_utterances(file, config) for file, _ in pairs]
    rows = []
    for window in ("full", "adaptive"):
        engine = _engine(config, window)
        whisper = engine.engine == "faster-whisper"
        rows.append(_row(engine, window if whisper else None, heard, references))
        engine.close()
        if not whisper:
            break
    speech_s = sum(len(utterance.samples) for utterances in heard for utterance in utterances) / SAMPLE_RATE_HZ
    return {
        "machine": machine(),
        "files": [encodable(file.name) for file, _ in pairs],
        "words": sum(map(len, references)),
        "utterances": sum(map(len, heard)),
        "speech_s": speech_s,
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


def edits(reference: Sequence[str], heard: Sequence[str]) -> int:
    """Words put in, left out or changed (Levenshtein); an hour of speech in a second."""
    number = {word: i for i, word in enumerate(dict.fromkeys((*reference, *heard)))}
    columns = np.arange(len(heard) + 1)
    of_heard = np.array([number[word] for word in heard], np.int64)
    row = columns.copy()
    for i, word in enumerate(reference, start=1):
        best = np.concatenate(([i], np.minimum(row[1:] + 1, row[:-1] + (of_heard != number[word]))))
        row = np.minimum.accumulate(best - columns) + columns  # and what is put in, from the left
    return int(row[-1])


def _utterances(file: Path, config: Config) -> list[Utterance]:
    from livemerc.audio.ears import Ears
    from livemerc.audio.file_source import FileSource
    from livemerc.audio.items import Utterance

    source = FileSource(file, speed=0)
    ears = Ears(config, source.rate_hz)
    items = [item for block in source.blocks() for item in ears.feed(block)] + ears.flush()
    found = [item for item in items if isinstance(item, Utterance)]
    if not found:
        raise InputError(f"{file}: no speech in it; check --file.")
    return found


def _engine(config: Config, window: str) -> AsrEngine:
    from livemerc.asr.select import choose_engine

    looking = msgspec.structs.replace(config, asr=msgspec.structs.replace(config.asr, window=window))
    return choose_engine(looking, demo=True, terminal=False, announce=lambda _: None)  # demo: fetches nothing


def _row(
    engine: AsrEngine, window: str | None, files: Sequence[Sequence[Utterance]], references: Sequence[Sequence[str]]
) -> dict[str, Any]:
    engine.transcribe(files[0][0])  # first calls allocate
    wrong, took_s = 0, list[float]()
    why: Counter[str] = Counter()
    for utterances, reference in zip(files, references, strict=True):
        texts = []
        for utterance in utterances:
            began = time.perf_counter()
            transcript = engine.transcribe(utterance)
            took_s.append(time.perf_counter() - began)
            texts.append(transcript.text)
            if transcript.second_pass is not None:
                why[transcript.second_pass] += 1
        wrong += edits(reference, words(" ".join(texts)))
    length_s = sum(len(utterance.samples) for utterances in files for utterance in utterances) / SAMPLE_RATE_HZ
    return {
        "asr": encodable(f"{engine.engine} {engine.model or ''}".rstrip()),
        "window": window,
        "word_errors": wrong,
        "wer": wrong / sum(map(len, references)),
        "second_passes": sum(why.values()),
        "second_passes_why": dict(why),
        "asr_s": sum(took_s),
        "rtf": sum(took_s) / length_s,
        "ms": percentiles([seconds * 1000 for seconds in took_s]),
    }


def table(f: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    names = [plain_text(row["asr"]) + (f", {row['window']} window" if row["window"] else "") for row in f["rows"]]
    width = max(map(len, names))
    lines = [
        machine_line(f["machine"]),
        f"{', '.join(map(plain_text, f['files']))}: {f['words']} words, {f['utterances']} utterances, "
        f"{f['speech_s']:.0f} s with pre-roll and hangover",
        "",
        f"{'':{width}} {'WER':>6} {'wrong':>6} {'RTF':>6} {'p50 ms':>8} {'p95 ms':>8} {'second passes':>14}",
    ]
    for name, row in zip(names, f["rows"], strict=True):
        lines.append(
            f"{name:{width}} {row['wer']:6.3f} {row['word_errors']:6} {row['rtf']:6.3f} {row['ms']['p50']:8.0f} "
            f"{row['ms']['p95']:8.0f} {row['second_passes'] if row['window'] else '-':>14}"
        )
        lines += [f"  again because of {why}: {times}" for why, times in row["second_passes_why"].items()]
    return lines
