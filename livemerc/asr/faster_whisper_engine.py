"""Whisper through faster-whisper (CTranslate2), one endpointed utterance at a time."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from livemerc.asr.engine import GpuMemoryError, Transcript, Word
from livemerc.asr.models import is_complete
from livemerc.asr.window import closed, doubt, most_tokens, window_frames, without_loop
from livemerc.config import SAMPLE_RATE_HZ, AsrConfig, ScreeningConfig
from livemerc.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from livemerc.audio.items import Utterance

SHORTEST_SAMPLES = 1600  # 0.1 s: below it there is no word to hear


_TINY_BYTES = 80_000_000
"""Whisper tiny has 75 MB in float16, the next larger one 145."""
_PROMPT_TOKENS = 4
"""Start, language, task, no timestamps."""


class FasterWhisperEngine:
    """A Whisper from a local folder in CTranslate2's format.

    `confidence` is exp(mean log-probability of the tokens), 0..1. One decode at temperature 0: its own VAD, its own
    thresholds and the conditioning on earlier text are off, so that each utterance stands alone and screening happens
    in one place (`livemerc.asr.screening`).

    `asr.window` auto and adaptive: only the utterance and a margin are looked at, and the full window where what came
    of that looks wrong (`livemerc.asr.window`); `Transcript.second_pass` then says why.

    Raises `ModelError` when the folder is missing or broken, or the GPU libraries are; `GpuMemoryError` when the GPU's
    memory is full.
    """

    engine = "faster-whisper"
    repeatable = True

    def __init__(
        self,
        folder: str | Path,
        config: AsrConfig,
        device: str = "auto",
        name: str | None = None,
        screening: ScreeningConfig | None = None,
    ) -> None:
        """`folder`: the model; `device`: auto, cpu or cuda; `name`: what `session.start` calls it (default: folder);
        `screening`: what counts as gone wrong in a short window (default: as configured by default)."""
        self.folder = folder = Path(folder)
        self.model: str | None = name or str(folder)
        self.device = device
        self.language = config.language
        self._config = config
        self._screening = screening or ScreeningConfig()
        if not folder.is_dir():
            raise ModelError(f"{folder}: no such folder with a Whisper model; give a folder or a size such as base.")
        if not is_complete(folder):
            raise ModelError(
                f"{folder}: not a complete faster-whisper model (config.json, model.bin, tokenizer.json and "
                "vocabulary.* are needed); convert it with ct2-transformers-converter or run `livemerc models pull`."
            )
        try:
            from livemerc.asr.one_pass import OnePassWhisper
        except ImportError as error:
            raise ModelError(
                f"faster-whisper cannot be loaded ({error}); run `pip install faster-whisper` or choose another --asr."
            ) from error
        try:
            self._whisper: Any = OnePassWhisper(
                str(folder),
                device=device,
                compute_type=_compute_type(config.compute_type, device),
                # OMP_NUM_THREADS is overridden on purpose: it is set to 1 for torch's small networks.
                cpu_threads=_threads(folder, short_window=config.window != "full"),
                local_files_only=True,
            )
        # A boundary: three native libraries, each with its own errors; tokenizers raises bare Exception.
        except Exception as error:
            if _is_gpu_memory(error):
                raise GpuMemoryError(str(error)) from error
            raise _model_error(error, folder, device, config.compute_type) from error
        if config.language is not None and not self.knows(config.language):
            if not self._whisper.model.is_multilingual:
                raise ConfigError(
                    f"asr.language: Whisper {self.model} knows English alone; fetch one of many languages once with "
                    "`livemerc models pull base`, or name one with --model."
                )
            raise ConfigError(
                f"asr.language: Whisper {self.model} does not know {config.language!r}; "
                "leave it out, or take a code such as en."
            )

    def transcribe(self, utterance: Utterance) -> Transcript:
        """The text with Whisper's own figures. Raises `ModelError` when the GPU libraries fail at the first use."""
        heard = self._heard(utterance)
        transcript = heard
        if self._whisper.window_frames is not None and not utterance.forced_cut:
            transcript = replace(heard, text=closed(heard.text, self._whisper.closing_odds))
        if not self._config.word_timestamps or not heard.text:
            return transcript
        words = self._words(utterance, heard.text)
        stop = transcript.text.removeprefix(heard.text)  # that a short look had lost
        return replace(transcript, words=(*words[:-1], *(replace(w, text=w.text + stop) for w in words[-1:])))

    def _heard(self, utterance: Utterance) -> Transcript:
        """In the window that `_words` then looks at, too."""
        beam = self._config.beam_size
        if not self._look_at(len(utterance.samples)):
            return self._decode(utterance.samples, beam)
        voiced_s = utterance.end_s - utterance.start_s
        transcript = self._decode(utterance.samples, beam, most_tokens(voiced_s, self._screening))
        wrong = doubt(transcript, voiced_s, self._screening)
        if wrong is None:
            return transcript
        self._whisper.window_frames = None
        return replace(self._decode(utterance.samples, beam), second_pass=wrong)

    def _look_at(self, samples: int) -> bool:
        """Sets the window for so many samples: whether it is a short one."""
        short = None
        if self._config.window != "full":
            short = window_frames(samples, self._whisper.feature_extractor.nb_max_frames)
        self._whisper.window_frames = short
        return short is not None

    def partial(self, samples: np.ndarray) -> str:
        """Greedy, whatever the beam of finals; one look. Where a short window made it go on and on: once, or ""."""
        if not self._look_at(len(samples)):
            return self._decode(samples, 1).text
        length_s = len(samples) / SAMPLE_RATE_HZ
        heard = self._decode(samples, 1, most_tokens(length_s, self._screening))
        wrong = doubt(heard, length_s, self._screening)
        return without_loop(heard.text) if wrong in ("too fast", "repetition") else heard.text

    def knows(self, language: str) -> bool:
        """Whether it is a code that this Whisper can be told."""
        return language in self._whisper.supported_languages

    def close(self) -> None:
        """Frees the model."""
        self._whisper = None

    def _words(self, utterance: Utterance, text: str) -> tuple[Word, ...]:
        """Words on the session clock, in a pass of its own; none where Whisper cannot align them to `text`.

        With word times faster-whisper drops a segment that it aligns to no time at all, and decodes anew from the last
        word's end: text lost, or repeated. So the text comes without them, and only the first segment is looked at.
        """
        generated, _ = self._generate(utterance.samples, self._config.beam_size, words=True)
        try:
            segment = next(iter(generated), None)
        except RuntimeError as error:
            raise self._use_error(error) from error
        if segment is None or " ".join(segment.text.split()) != text:
            return ()
        start_s = utterance.samples_start_s
        return tuple(
            Word(word.word.strip(), start_s + float(word.start), start_s + float(word.end), float(word.probability))
            for word in segment.words or ()
        )

    def _generate(
        self, samples: np.ndarray, beam_size: int, *, words: bool, most: int | None = None
    ) -> tuple[Any, Any]:
        try:
            return self._whisper.transcribe(
                np.ascontiguousarray(samples, dtype=np.float32),
                language=self.language,
                beam_size=beam_size,
                temperature=0.0,
                condition_on_previous_text=False,
                no_speech_threshold=None,
                log_prob_threshold=None,
                compression_ratio_threshold=None,
                # an utterance is one window: without timestamps it is never decoded again from its last one
                without_timestamps=True,
                word_timestamps=words,
                max_new_tokens=None if most is None else self._limit(most),
                vad_filter=False,
            )
        except RuntimeError as error:
            raise self._use_error(error) from error

    def _limit(self, tokens: int) -> int:
        """What to ask for to get so many, or one more. CTranslate2 stops at half of prompt and new tokens together, for
        a Whisper's context is half past text; faster-whisper's `max_new_tokens` does not know of it."""
        return min(2 * tokens, self._whisper.max_length - _PROMPT_TOKENS)

    def _use_error(self, error: RuntimeError) -> ModelError | GpuMemoryError:
        if _is_gpu_memory(error):
            return GpuMemoryError(str(error))
        return _model_error(error, Path(str(self.model)), "cuda", self._config.compute_type)

    def _decode(self, samples: np.ndarray, beam_size: int, most: int | None = None) -> Transcript:
        """`most`: tokens after which it is cut off."""
        if len(samples) < SHORTEST_SAMPLES:
            return Transcript(text="")
        generated, info = self._generate(samples, beam_size, words=False, most=most)
        try:
            segments = list(generated)
        except RuntimeError as error:
            raise self._use_error(error) from error
        counts = [max(1, len(segment.tokens)) for segment in segments]
        total = sum(counts)
        log_probability = no_speech = None
        if total:
            log_probability = sum(s.avg_logprob * n for s, n in zip(segments, counts, strict=True)) / total
            no_speech = sum(s.no_speech_prob * n for s, n in zip(segments, counts, strict=True)) / total
        return Transcript(
            text=" ".join("".join(segment.text for segment in segments).split()),
            confidence=None if log_probability is None else min(1.0, math.exp(log_probability)),
            language=info.language,
            language_probability=float(info.language_probability),
            language_probabilities=None if info.all_language_probs is None else dict(info.all_language_probs),
            no_speech_probability=no_speech,
            mean_log_probability=log_probability,
            tokens=total,
        )


def _threads(folder: Path, *, short_window: bool) -> int:
    """All cores up to four; more slow short utterances down. A tiny Whisper that looks at a short window computes on
    one: there is too little to share, and of two threads on a busy machine each waits for the other."""
    tiny = (folder / "model.bin").stat().st_size <= _TINY_BYTES
    return 1 if tiny and short_window else min(4, os.cpu_count() or 1)


def _compute_type(wanted: str, device: str) -> str:
    """What "default" means. On a CPU int8: it takes half of the memory and two thirds of the time of the published
    float16, which a CPU would turn into float32. On a GPU float16."""
    import ctranslate2

    # its own log: warnings about what it chooses belong to nobody's terminal
    ctranslate2.set_log_level(logging.ERROR)
    if wanted != "default":
        return wanted
    on_gpu = device == "cuda" or (device == "auto" and ctranslate2.get_cuda_device_count() > 0)
    can = ctranslate2.get_supported_compute_types("cuda" if on_gpu else "cpu")
    best = "float16" if on_gpu else "int8"
    return best if best in can else "float32"


def _is_gpu_memory(error: Exception) -> bool:
    """CTranslate2 has no class for it: "CUDA failed with error out of memory", or CUBLAS_STATUS_ALLOC_FAILED."""
    what = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in what or "alloc_failed" in what)


def _model_error(error: Exception, folder: Path, device: str, compute_type: str) -> ModelError:
    lines = str(error).strip().splitlines()
    what = (lines[0] if lines else type(error).__name__).rstrip(".")
    low = what.lower()
    if any(word in low for word in ("cublas", "cudnn", "libcuda", "cuda driver", "cuda failed", "cuda support")):
        return ModelError(
            f"the GPU libraries that Whisper needs do not load ({what}); install `livemerc[cuda]` or use --device cpu."
        )
    if isinstance(error, MemoryError) or "bad_alloc" in low or "allocate memory" in low:
        return ModelError(
            f"there is not enough memory for Whisper {folder.name} ({what}); close other programs, or take a smaller "
            "one with --model (tiny.en ships with livemerc)."
        )
    if "compute type" in low:
        return ModelError(
            f"asr.compute_type {compute_type!r} does not work on device {device} ({what}); leave it at default."
        )
    return ModelError(f"{folder}: this Whisper model cannot be used ({what}); convert or fetch it again.")
