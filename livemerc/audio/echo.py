"""Whether an utterance is another channel's, heard again: the far side of a call through the near microphone."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import numpy as np

from livemerc.audio.items import Utterance
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.notation import words

_MOST_DELAY_S = 0.5
"""Loudspeaker, room, microphone and what the devices' clocks differ by."""
_SURE_DELAY_S = 0.015
"""What comes so much later is the echo; of what is nearer the weaker one is (two microphones in one room)."""
_KEPT_S = 30.0
_RATE_HZ = 8000
_BAND_HZ = (200.0, 3600.0)
_SMOOTHED_HZ = 50.0
_FRAME_S = 0.1
_WANDER_SAMPLES = 4
"""So much the delay may wander within an utterance: two devices never have the same clock."""
_LOUD_DB = 15.0
"""Frames so far below the loudest count for nothing."""
_COHERENT = 0.35
"""Correlation of whitened frames from which one is the other heard again. Of two voices, also in the same word, it is
about .1."""
_ECHO_SHARE = 0.6
"""Of the loud frames: of two voices at most .35, in a bare room .65. With less somebody speaks over it, who is kept."""
_LEAST_WORDS = 5
_SAME_WORDS = 0.8


@dataclass(frozen=True, slots=True)
class Echoes:
    """What the newest utterance tells."""

    is_echo: bool = False
    """It is another channel's, heard again."""
    earlier: tuple[str, ...] = ()
    """Ids of earlier ones that are the newest one, or part of it, heard again."""


@dataclass(slots=True)
class _Heard:
    utterance: Utterance
    is_echo: bool = False
    words: list[str] = field(default_factory=list)
    samples: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        import soxr

        self.samples = soxr.resample(self.utterance.samples, SAMPLE_RATE_HZ, _RATE_HZ, quality="MQ")

    @property
    def power(self) -> float:
        return float(np.square(self.samples, dtype=np.float64).mean())

    @property
    def begin_s(self) -> float:
        return self.utterance.samples_start_s

    @property
    def end_s(self) -> float:
        return self.begin_s + len(self.samples) / _RATE_HZ


class EchoWatch:
    """`hear` every utterance, in the order of their decisions. Those without a speaker have one channel: no echo."""

    def __init__(self, *, on: bool = True) -> None:
        self._on = on
        self._recent: deque[_Heard] = deque()

    def hear(self, utterance: Utterance) -> Echoes:
        """Compares it with what other channels have said at about the same time. Milliseconds where somebody has."""
        if not self._on or utterance.speaker is None or not len(utterance.samples):
            return Echoes()
        new = _Heard(utterance)
        while self._recent and self._recent[0].end_s < new.begin_s - _KEPT_S:
            self._recent.popleft()
        self._recent.append(new)
        others = [one for one in self._recent if one is not new and not one.is_echo and _at_once(one, new)]
        new.is_echo = bool(others) and _is_heard_again(new, others)
        if new.is_echo:
            return Echoes(is_echo=True)
        own = [one for one in self._recent if one.utterance.speaker == utterance.speaker and not one.is_echo]
        earlier = []
        for other in others:
            other.is_echo = _is_heard_again(other, [one for one in own if _at_once(one, other)])
            if other.is_echo:
                earlier.append(other.utterance.utterance_id)
        return Echoes(earlier=tuple(earlier))

    def read(self, utterance: Utterance, text: str) -> Echoes:
        """The words of the utterance that was heard last: an echo that devices have changed too much to be known by its
        sound has the same ones. Of two the weaker is the echo."""
        new = next((one for one in reversed(self._recent) if one.utterance is utterance), None)
        if new is None:
            return Echoes()
        new.words = words(text)
        earlier = []
        for other in self._recent:
            if other.is_echo or not _at_once(other, new) or not _same_sentence(other, new):
                continue
            if new.power <= other.power:
                new.is_echo = True
                return Echoes(is_echo=True)
            other.is_echo = True
            earlier.append(other.utterance.utterance_id)
        return Echoes(earlier=tuple(earlier))


def _same_sentence(one: _Heard, other: _Heard) -> bool:
    """Whether they begin together and have the same words, and more of them than two people say at once by chance."""
    if abs(one.utterance.start_s - other.utterance.start_s) > _MOST_DELAY_S:
        return False
    if min(len(one.words), len(other.words)) < _LEAST_WORDS:
        return False
    return SequenceMatcher(None, one.words, other.words, autojunk=False).ratio() >= _SAME_WORDS


def _at_once(one: _Heard, other: _Heard) -> bool:
    """Whether they are of two channels, at about the same time."""
    apart = one.utterance.speaker != other.utterance.speaker
    return apart and one.begin_s < other.end_s + _MOST_DELAY_S and other.begin_s < one.end_s + _MOST_DELAY_S


def _is_heard_again(one: _Heard, others: Sequence[_Heard]) -> bool:
    """Whether `one` is what another channel said, later or weaker."""
    for speaker in {other.utterance.speaker for other in others}:
        sound = _placed([other for other in others if other.utterance.speaker == speaker], one)
        if _share_heard_again(_placed([one], one), sound) >= _ECHO_SHARE:
            return True
    return False


def _placed(heard: Sequence[_Heard], around: _Heard) -> np.ndarray:
    """All of it on the time axis of `around`, with room for the longest delay at either end."""
    begin_s = around.begin_s - _MOST_DELAY_S
    sound = np.zeros(round((around.end_s - begin_s + _MOST_DELAY_S) * _RATE_HZ) + 1, np.float32)
    for one in heard:
        at = round((one.begin_s - begin_s) * _RATE_HZ)
        first, last = max(0, at), min(len(sound), at + len(one.samples))
        if last > first:
            sound[first:last] = one.samples[first - at : last - at]
    return sound


def _share_heard_again(one: np.ndarray, other: np.ndarray) -> float:
    """Of the loud frames of `one`: those that are `other`, later or weaker."""
    size = 1 << (2 * len(one) - 1).bit_length()
    white_one, white_other = _whitened(one, size), _whitened(other, size)
    correlation = np.fft.irfft(np.fft.rfft(white_one) * np.conj(np.fft.rfft(white_other)))
    most, sure = round(_MOST_DELAY_S * _RATE_HZ), round(_SURE_DELAY_S * _RATE_HZ)
    # An echo is later. In a room that rings, something earlier may be more alike by chance.
    delays = np.concatenate((correlation[-sure:], correlation[: most + 1]))
    delay = int(np.argmax(np.abs(delays))) - sure
    one_frames = _frames(one, len(one))
    energy = np.square(one_frames).sum(axis=1)
    loud = energy > energy.max(initial=0.0) * 10 ** (-_LOUD_DB / 10)
    if not loud.any():
        return 0.0
    coherence = np.zeros(len(energy))
    white_frames = _frames(white_one, len(one))
    for wander in range(-_WANDER_SAMPLES, _WANDER_SAMPLES + 1):
        moved = _frames(np.roll(white_other, delay + wander), len(one))
        norms = np.linalg.norm(white_frames, axis=1) * np.linalg.norm(moved, axis=1)
        coherence = np.maximum(coherence, np.abs((white_frames * moved).sum(axis=1)) / np.maximum(norms, 1e-9))
    again = coherence >= _COHERENT
    if delay < sure:
        again &= energy < np.square(_frames(np.roll(other, delay), len(one))).sum(axis=1)
    return float((again & loud).sum() / loud.sum())


def _frames(sound: np.ndarray, samples: int) -> np.ndarray:
    """(frames, n) float64 of the first `samples`."""
    frame = round(_FRAME_S * _RATE_HZ)
    count = samples // frame
    return sound[: count * frame].reshape(count, frame).astype(np.float64)


def _whitened(sound: np.ndarray, size: int) -> np.ndarray:
    """The band of speech with all its parts alike, so that a voice's own period is no likeness: (size,) float64."""
    spectrum = np.fft.rfft(sound.astype(np.float64), size)  # in float32 the sums below lose the weak parts
    per_bin_hz = _RATE_HZ / size
    width = max(1, round(_SMOOTHED_HZ / 2 / per_bin_hz))
    sums = np.concatenate(([0.0], np.cumsum(np.square(np.abs(spectrum)))))
    bins = np.arange(len(spectrum))
    first, last = np.maximum(0, bins - width), np.minimum(len(spectrum), bins + width)
    power = (sums[last] - sums[first]) / (last - first)
    hz = bins * per_bin_hz
    band = (hz >= _BAND_HZ[0]) & (hz <= _BAND_HZ[1])
    return np.fft.irfft(np.where(band, spectrum / np.sqrt(power + 1e-12), 0.0), size)
