"""Making and reading audio for the tests of this room."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import av
import numpy as np

from livemerc.audio.items import Utterance

SENTENCES = (
    "I am so happy today.",
    "This is terrible news.",
    "Where did you put the keys?",
    "My brother lives in London.",
    "Please close the window.",
    "We missed the last train.",
    "Can you believe what he said?",
    "Dinner will be ready soon.",
    "That dog scared the children.",
    "Nobody told me about it.",
)
_VOICES = ("slt", "rms")


def speak(folder: Path) -> list[tuple[Path, str]]:
    """(wav file, sentence) for each of `SENTENCES`, voices in turn; needs flite. 16 kHz, 16 bit, mono."""
    clips = []
    for i, sentence in enumerate(SENTENCES):
        path = folder / f"sentence{i}.wav"
        subprocess.run(["flite", "-voice", _VOICES[i % len(_VOICES)], "-t", sentence, "-o", path], check=True)
        clips.append((path, sentence))
    return clips


def read_audio(path: Path) -> np.ndarray:
    """(n,) float32 mono at 16 kHz."""
    resampler = av.AudioResampler("flt", "mono", 16_000)
    blocks = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            blocks += [resampled.to_ndarray()[0] for resampled in resampler.resample(frame)]
        blocks += [resampled.to_ndarray()[0] for resampled in resampler.resample(None)]
    return np.concatenate(blocks)


def utterance(samples: np.ndarray, start_s: float = 0.0, margin_s: float = 0.0) -> Utterance:
    """`samples` as one endpointed utterance whose voiced stretch leaves out `margin_s` at either end."""
    end_s = start_s + len(samples) / 16_000
    return Utterance(
        utterance_id="u1",
        samples=np.asarray(samples, dtype=np.float32),
        samples_start_s=start_s,
        start_s=start_s + margin_s,
        end_s=max(start_s + margin_s, end_s - margin_s),
        decided_s=end_s,
        forced_cut=False,
    )


def noise(seconds: float, level_dbfs: float = -20.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(round(seconds * 16_000)) * 10 ** (level_dbfs / 20)).astype(np.float32)


def plain(text: str) -> str:
    """Lower case, no punctuation: what word error rates are counted on."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower().replace("-", " ")).split())
