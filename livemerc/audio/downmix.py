"""One channel of several, without losing what the channels cancel in each other."""

from __future__ import annotations

import math

import numpy as np

_REMEMBERED_S = 1.0
"""How channels relate is judged over about this long, the louder moments counting more."""
_CANCELS, _ADDS = -0.6, -0.2
"""Correlation of left and right below which their difference is heard, and above which it is their sum again."""
_SILENT_DBFS = -70.0
_SILENT_BELOW_DB = 40.0
"""A side is silent that is never louder than this, and so far below the other."""


class Downmix:
    """(channels, n) float32 in, (1, n) out, piece by piece.

    Left and right that cancel (one of them inverted, a wiring fault) are heard by their difference. Other numbers of
    channels are averaged.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._energy = self._product = 0.0
        self._inverted = False
        self._power = np.zeros(2)
        self._samples = 0
        self.cancelled = False
        """Whether left and right have cancelled each other at some time."""

    def feed(self, planes: np.ndarray) -> np.ndarray:
        """Mixed, its own memory unless there is one channel alone."""
        if len(planes) == 1:
            return planes
        if len(planes) != 2:
            return planes.mean(axis=0, keepdims=True)
        self._look_at(planes)
        left, right = planes
        return (0.5 * (left - right if self._inverted else left + right))[None, :]

    def _look_at(self, planes: np.ndarray) -> None:
        powers = np.einsum("cn,cn->c", planes, planes, dtype=np.float64)
        self._power += powers
        self._samples += planes.shape[1]
        kept = math.exp(-planes.shape[1] / (_REMEMBERED_S * self._rate_hz))
        self._energy = kept * self._energy + float(powers.sum()) / 2
        self._product = kept * self._product + float(np.dot(planes[0], planes[1]))
        if self._product < _CANCELS * self._energy:
            self._inverted = self.cancelled = True
        elif self._product > _ADDS * self._energy:
            self._inverted = False

    @property
    def silent_side(self) -> str | None:
        """ "left" or "right" where that side has been silent all the time and the other has not."""
        if not self._samples:
            return None
        left, right = (10 * math.log10(power / self._samples + 1e-20) for power in self._power)
        quieter, louder, side = (left, right, "left") if left < right else (right, left, "right")
        return side if quieter < _SILENT_DBFS and louder - quieter >= _SILENT_BELOW_DB else None
