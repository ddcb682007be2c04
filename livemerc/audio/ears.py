"""Ears: resample -> frames -> voice activity -> endpointing. A plain object; never touches torch."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from livemerc.audio.endpoint import Endpointer
from livemerc.audio.frames import Framer
from livemerc.audio.items import EarItem
from livemerc.audio.resample import Resampler
from livemerc.audio.source import JUMP_S, Block
from livemerc.audio.vad import make_gate, make_vad
from livemerc.config import SAMPLE_RATE_HZ, Config

FLOOR_DBFS = -120.0
_FOLLOWED_S = 0.001
"""Less than this is rounding: the times of a file are those of its samples."""
_SLEW = 0.01
"""The count of the samples follows the clock by this share of the time: a drift at once, jitter hardly."""
_SOUNDING_DB = 3.0
"""So far above the noise floor a frame sounds: less is the floor's own unrest."""
_LEVEL_SAMPLES = SAMPLE_RATE_HZ // 10

_Timed = tuple[float, EarItem]
"""An item and the audio time at which it was decided."""


class AnyEars(Protocol):
    """Blocks of a source in, `EarItem`s out; see `Ears`."""

    @property
    def t_s(self) -> float: ...
    @property
    def level_dbfs(self) -> float: ...
    @property
    def speaking(self) -> bool: ...
    def feed(self, block: Block) -> list[EarItem]: ...
    def flush(self) -> list[EarItem]: ...


class Ears:
    """Blocks of one source in, `EarItem`s out, in order; a function of the samples alone, not of how they are cut.

    `feed` blocks in order, then `flush` once. `snapshot_every_s` asks for a `Speech` snapshot of the open utterance
    that often, `endings` for an `Ending` as soon as its samples are there. A block that begins later than the samples
    so far (a gap, a silent device) moves the clock: short stretches are heard as silence, longer ones end the
    utterance; a slow drift is followed, either way. Time never runs back.
    """

    def __init__(
        self,
        config: Config,
        rate_hz: int,
        snapshot_every_s: float | None = None,
        *,
        endings: bool = False,
    ) -> None:
        self._rate_hz = rate_hz
        self._resampler = Resampler(rate_hz)
        self._vad = make_vad(config.vad)
        frame_s = self._vad.frame_samples / SAMPLE_RATE_HZ
        self._gate = make_gate(config.vad, frame_s)
        self._soft = config.vad.engine == "silero"  # a probability, not yes or no
        self._offset_threshold = config.endpoint.offset_threshold
        self._just_weak = math.nextafter(config.endpoint.offset_threshold, 0.0)
        self._framer = Framer(self._vad.frame_samples)
        self._endpointer = Endpointer(
            config.endpoint,
            frame_s,
            config.dialogue.freeze_after_s,
            snapshot_every_s,
            endings=endings,
        )
        # silence long enough to end any utterance by itself: beyond it the clock may jump
        self._max_fill_samples = round((config.endpoint.hangover_ms / 1000 + 1.0) * SAMPLE_RATE_HZ)
        self._in_anchor_s: float | None = None  # source clock: time of source sample 0 since the last discontinuity
        self._in_samples = 0
        self._out_anchor_s = 0.0  # clock behind the resampler: time of 16 kHz sample 0 since the last jump
        self._out_samples = 0
        self._framed_samples = 0
        self._framed_end_s = 0.0
        self._tail = np.zeros(0, np.float32)
        self._level_dbfs = FLOOR_DBFS

    @property
    def t_s(self) -> float:
        """Audio time heard so far."""
        return 0.0 if self._in_anchor_s is None else self._in_anchor_s + self._in_samples / self._rate_hz

    @property
    def level_dbfs(self) -> float:
        """RMS of the last 100 ms, -120 at the least; 0 is a full-scale square wave."""
        return self._level_dbfs

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._endpointer.speaking

    @property
    def framed_s(self) -> float:
        """Audio time up to which everything was decided."""
        return self._out_anchor_s + self._framed_samples / SAMPLE_RATE_HZ

    def feed(self, block: Block) -> list[EarItem]:
        return [item for _, item in self.feed_timed(block)]

    def flush(self) -> list[EarItem]:
        """The end of the stream: what is held back is heard, and an open utterance ends."""
        return [item for _, item in self.flush_timed()]

    def feed_timed(self, block: Block) -> list[_Timed]:
        items: list[_Timed] = []
        if self._in_anchor_s is None:
            self._in_anchor_s = self._out_anchor_s = block.start_s
        elif block.gap_s > 0 or block.start_s - self.t_s > JUMP_S:
            items.extend(self._discontinuity(max(block.start_s, self.t_s)))
        else:
            self._follow(block.start_s - self.t_s, len(block.samples) / self._rate_hz)
        self._in_samples += len(block.samples)
        items.extend(self._hear(self._resampler.feed(block.samples)))
        return items

    def flush_timed(self) -> list[_Timed]:
        items = self._hear(self._resampler.flush())
        items.extend(self._end_framing())
        items.extend((self.t_s, item) for item in self._endpointer.interrupt(self.t_s))
        # Nothing more will come: let go of soxr's stream now, or its binding reports a leak when the interpreter ends.
        self._resampler = Resampler(SAMPLE_RATE_HZ)
        return items

    def _follow(self, ahead_s: float, block_s: float) -> None:
        """The clock is `ahead_s` of the samples (behind, if negative)."""
        if abs(ahead_s) >= _FOLLOWED_S and self._in_anchor_s is not None:
            step_s = max(-_SLEW * block_s, min(_SLEW * block_s, ahead_s))
            self._in_anchor_s += step_s
            self._out_anchor_s += step_s

    def _discontinuity(self, t_s: float) -> list[_Timed]:
        items = self._hear(self._resampler.flush())
        missing = round((t_s - self._out_anchor_s) * SAMPLE_RATE_HZ) - self._out_samples
        if self._out_samples or missing <= self._max_fill_samples:  # else there is nothing that silence could end
            items.extend(self._hear(np.zeros(max(0, min(missing, self._max_fill_samples)), np.float32)))
        if missing > self._max_fill_samples:
            items.extend(self._end_framing())
            items.extend((t_s, item) for item in self._endpointer.interrupt(t_s))
            self._vad.reset()
            self._out_anchor_s, self._out_samples, self._framed_samples = t_s, 0, 0
        self._in_anchor_s, self._in_samples = t_s, 0
        return items

    def _hear(self, samples: np.ndarray) -> list[_Timed]:
        if not len(samples):
            return []
        self._out_samples += len(samples)
        self._measure(samples)
        items: list[_Timed] = []
        for frame in self._framer.feed(samples):
            items.extend(self._frame(frame, len(frame)))
        return items

    def _end_framing(self) -> list[_Timed]:
        real = self._framer.held_samples
        padded = self._framer.flush()
        return [] if padded is None else self._frame(padded, real)

    def _frame(self, frame: np.ndarray, real: int) -> list[_Timed]:
        """`real` samples of the frame are audio, the rest is padding that only the detector sees."""
        start_s = max(self._framed_end_s, self.framed_s)
        self._framed_samples += real
        self._framed_end_s = end_s = max(start_s, self.framed_s)
        audio = frame[:real]
        heard = self._vad.probability(frame)  # always: the detector keeps its own account of the past
        is_open = self._gate.is_open(audio)
        sounding = self._soft and self._gate.above_floor_db >= _SOUNDING_DB
        probability = self._weighed(heard, is_open, sounding)
        stands_out = self._soft and self._gate.above_noise_db >= _SOUNDING_DB
        step = self._endpointer.step(audio, probability, start_s, end_s, sounding=stands_out)
        return [(end_s, item) for item in step]

    def _weighed(self, heard: float, is_open: bool, sounding: bool) -> float:
        """The detector's probability in the light of the level."""
        if not self._soft:
            return heard if is_open else 0.0
        if heard >= self._offset_threshold:
            # Silent, yet Silero is sure: the closure of a stop is as quiet as a pause, and no end of a word.
            return heard if is_open else self._just_weak
        # Weak, and no louder than the floor: that is the noise behind the word.
        return heard if is_open and sounding else 0.0

    def _measure(self, samples: np.ndarray) -> None:
        self._tail = np.concatenate((self._tail, samples[-_LEVEL_SAMPLES:]))[-_LEVEL_SAMPLES:]
        power = float(np.dot(self._tail, self._tail)) / len(self._tail)
        self._level_dbfs = max(FLOOR_DBFS, 10 * math.log10(power)) if power > 0 else FLOOR_DBFS
