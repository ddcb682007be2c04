"""Is the microphone any good? Digital silence, nothing at all, clipping: each with its mend for this system."""

from __future__ import annotations

import sys

import numpy as np

_FIRST_S = 3.0
"""Audio (or waiting) after which the first verdict falls."""
_LATER_SILENCE_S = 30.0
"""Digital silence after sound was heard: noise gates send it between words, a mute button for longer."""
_CLIP_LEVEL = 0.99
_CLIP_SHARE = 0.01

_SILENCE_MEND = {
    "darwin": "allow the terminal in System Settings > Privacy & Security > Microphone, and unmute it",
    "win32": "allow desktop apps under Settings > Privacy & security > Microphone, and unmute it",
}
_LEVEL_MEND = {
    "darwin": "System Settings > Sound > Input",
    "win32": "Settings > System > Sound > Input",
}


class SignalCheck:
    """Watches the samples of one microphone. `feed` for one thread; `why` may be read from any."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._zeros = 0
        self._heard = False
        self._window = 0
        self._clipped = 0
        self._clips = False

    def feed(self, samples: np.ndarray) -> None:
        """(n,) or (n, channels) float32."""
        peak = float(np.abs(samples).max(initial=0.0))
        self._zeros = self._zeros + len(samples) if peak == 0.0 else 0
        self._heard = self._heard or peak > 0.0
        self._window += len(samples)
        if peak >= _CLIP_LEVEL:
            per_sample = np.abs(samples).reshape(len(samples), -1).max(axis=1)
            self._clipped += int((per_sample >= _CLIP_LEVEL).sum())
        if self._window >= _FIRST_S * self._rate_hz:
            self._clips = self._clipped > _CLIP_SHARE * self._window
            self._window = self._clipped = 0

    def why(self) -> str | None:
        """What is wrong with the signal, with the mend; None = nothing."""
        if self._zeros >= (_LATER_SILENCE_S if self._heard else _FIRST_S) * self._rate_hz:
            mend = _SILENCE_MEND.get(sys.platform, "unmute it in the sound settings (`pavucontrol`)")
            return (
                f"only digital silence arrives: {mend}, or choose another (`livemerc devices`); "
                "a monitor of an output is silent until something plays"
            )
        if self._clips:
            where = _LEVEL_MEND.get(sys.platform, "the sound settings (`pavucontrol`)")
            return f"the input clips: lower its level in {where}"
        return None


def nothing_arrives(waited_s: float) -> str | None:
    """What to say of an input that has delivered no sample for `waited_s`; None = too early to say."""
    if waited_s < _FIRST_S:
        return None
    return (
        "no sound arrives: a monitor of an output is silent until something plays; "
        "otherwise connect or unmute the input, or choose another (`livemerc devices`)"
    )
