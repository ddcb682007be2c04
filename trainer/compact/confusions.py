"""What real recognisers took for what: a table of words, from runs over speech in rooms, noise and telephone bands.

`livemerc-train confusions` writes `confusions.json`, which the writing `misheard` of `trainer.corpora.writings` draws
from. The reference of speech without a transcript is what the larger recogniser makes of it undisturbed.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tempfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np

from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
from livemerc.audio.items import Utterance
from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ, AsrConfig
from livemerc.errors import ConfigError
from trainer.augment import add_noise, augment, babble
from trainer.corpora.clips import Clip
from trainer.corpora.text_corpora import read_meld
from trainer.corpora.voices import babble_clips, read_clips
from trainer.corpora.writings import plain
from trainer.pseudo_labels.labelled_corpus import write_text

SPEECH = ("librispeech", "read", "readers")
VOICES = ("slt", "rms", "awb")
"""Of flite, which speaks lines of MELD: readers never say "y'know"."""
MOST_CLIPS = 40
"""Of each of `SPEECH`."""
LEAST_HEARD = 3
"""Times a word was said before its confusions count."""
LONGEST_S = 28.0


@dataclass(frozen=True, slots=True)
class Said:
    """Sound (n,) float32 at 16 kHz and what was said, None where nobody wrote it down."""

    name: str
    samples: np.ndarray
    text: str | None


def transcribe(engine: FasterWhisperEngine, samples: np.ndarray) -> str:
    """Plain words of samples at 16 kHz."""
    length_s = len(samples) / SAMPLE_RATE_HZ
    return plain(engine.transcribe(Utterance("u", samples, 0.0, 0.0, length_s, length_s, False)).text)


def recorded(data: Path) -> Iterator[Said]:
    """The readers of `SPEECH`, with their transcript where a file beside the sound has one."""
    for corpus in SPEECH:
        for clip in read_clips(data, corpus)[:MOST_CLIPS]:
            yield Said(f"{corpus}/{clip.clip_id}", _samples(clip), _written(clip.path))


def spoken(data: Path, count: int, seed: int) -> Iterator[Said]:
    """`count` lines of MELD's training part as flite says them. Raises `ConfigError` where flite is not installed."""
    if shutil.which("flite") is None:
        raise ConfigError("flite is not installed; install it, or take --spoken 0.")
    lines = [row.text for dialogue in read_meld(data / "meld/train_sent_emo.csv") for row in dialogue]
    chosen = random.Random(seed).sample([line for line in lines if len(line.split()) >= 4], count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line.wav"
        for number, text in enumerate(chosen):
            subprocess.run(["flite", "-voice", VOICES[number % len(VOICES)], "-t", text, "-o", path], check=True)
            yield Said(f"flite/{number}", read_samples(path, SAMPLE_RATE_HZ), plain(text))


def _samples(clip: Clip) -> np.ndarray:
    return read_samples(clip.path, SAMPLE_RATE_HZ, clip.start_s, clip.end_s)[: round(LONGEST_S * SAMPLE_RATE_HZ)]


def _written(path: Path) -> str | None:
    beside = path.with_suffix(".txt")
    return plain(beside.read_text(encoding="utf-8")) if beside.is_file() else None


def pairs(reference: str, heard: str) -> Iterator[tuple[str, str]]:
    """Each word of the reference and what was heard in its place, "" where nothing was (jiwer's alignment)."""
    found = jiwer.process_words(reference, heard)
    said, there = found.references[0], found.hypotheses[0]
    for chunk in found.alignments[0]:
        size = chunk.ref_end_idx - chunk.ref_start_idx
        for k in range(size):
            other = "" if chunk.type == "delete" else there[chunk.hyp_start_idx + k]
            yield said[chunk.ref_start_idx + k], other


def measure(
    speech: Iterable[Said],
    reference: FasterWhisperEngine,
    engines: Sequence[FasterWhisperEngine],
    voices: Sequence[np.ndarray],
    versions: int,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, list[tuple[str, float]]]:
    """Word -> what the `engines` heard in its place and how often, over `versions` disturbed copies of each piece."""
    heard: dict[str, Counter[str]] = defaultdict(Counter)
    for number, piece in enumerate(speech):
        text = piece.text or transcribe(reference, piece.samples)
        if not text.split():
            continue
        rng = np.random.default_rng([seed, zlib.crc32(piece.name.encode())])
        for version in range(versions):
            chosen = [voices[i] for i in rng.choice(len(voices), size=min(4, len(voices)), replace=False)]
            noisy = augment(piece.samples, chosen, rng)
            # augment stays at 5 dB and above; what is misheard most is said across others.
            noisy = add_noise(noisy, babble(len(noisy), chosen, rng), float(rng.uniform(0.0, 12.0)))
            for engine in engines if version == 0 else engines[:1]:
                for word, other in pairs(text, transcribe(engine, noisy)):
                    heard[word][other] += 1
        if number % 50 == 0:
            say(f"{number} pieces, {len(heard)} words")
    return table(heard)


def table(heard: dict[str, Counter[str]]) -> dict[str, list[tuple[str, float]]]:
    """Counts of what was heard for each word -> its confusions with their chances, the likeliest first."""
    out = {}
    for word, counts in sorted(heard.items()):
        total = counts.total()
        wrong = [(other, round(n / total, 4)) for other, n in counts.most_common() if other != word]
        if total >= LEAST_HEARD and wrong:
            out[word] = wrong
    return out


def run(
    data: Path, small: Path, large: Path, out: Path, lines: int, versions: int, seed: int, say: Callable[[str], None]
) -> int:
    """Writes to `out` the table from readers and `lines` of MELD, as the recognisers in the folders `small` and `large`
    hear them; returns its words. Raises `InputError`, `ModelError`, `ConfigError`."""
    config = AsrConfig(language="en")
    engines = [FasterWhisperEngine(folder, config, "cpu") for folder in (small, large)]
    voices = [_samples(clip) for clip in babble_clips(data)]

    def speech() -> Iterator[Said]:
        yield from recorded(data)
        yield from spoken(data, lines, seed) if lines else ()

    found = measure(speech(), engines[1], engines, voices, versions, seed, say)
    rows = ",\n".join(f"{json.dumps(word)}: {json.dumps(wrong)}" for word, wrong in found.items())
    write_text(out, f"{{\n{rows}\n}}\n")
    return len(found)
