"""Is the microphone any good? Digital silence, nothing at all, no level, clipping, the wrong one: each with its mend
for this system."""

from __future__ import annotations

import sys

import numpy as np

from livemerc.audio.microphone.devices import InputDevice

_FIRST_S = 3.0
"""Audio (or waiting) after which the first verdict falls."""
_LATER_SILENCE_S = 30.0
"""Digital silence after sound was heard: noise gates send it between words, a mute button for longer."""
_NO_LEVEL = 1e-4
"""Peak under which a microphone is as good as off: three steps of 16 bits, far below the noise of any that is on."""
_NO_LEVEL_S = 10.0
_LOUD = 0.01
"""Peak that shows that it works: afterwards near-silence is a pause through a noise gate."""
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
        self._faint = 0
        self._loud = False
        self._window = 0
        self._clipped = 0
        self._clips = False

    @property
    def heard(self) -> bool:
        """Whether anything but digital silence ever came."""
        return self._heard

    def feed(self, samples: np.ndarray) -> None:
        """(n,) or (n, channels) float32."""
        peak = float(np.abs(samples).max(initial=0.0))
        self._zeros = self._zeros + len(samples) if peak == 0.0 else 0
        self._heard = self._heard or peak > 0.0
        self._faint = self._faint + len(samples) if peak < _NO_LEVEL else 0
        self._loud = self._loud or peak >= _LOUD
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
        if not self._loud and self._zeros < self._faint and self._faint >= _NO_LEVEL_S * self._rate_hz:
            return (
                f"hardly any level arrives: raise the input's level in {_level_settings()}, come nearer, or choose "
                "another (`livemerc devices`)"
            )
        return self.why_too_loud()

    def why_too_loud(self) -> str | None:
        """None unless the signal clips."""
        return f"the input clips: lower its level in {_level_settings()}" if self._clips else None


def _level_settings() -> str:
    return _LEVEL_MEND.get(sys.platform, "the sound settings (`pavucontrol`)")


def wrong_default(inputs: list[InputDevice]) -> str | None:
    """What to say if the default input is a monitor though a microphone is there; None = there is none."""
    real = [entry for entry in inputs if not entry.monitor]
    microphone = next((entry for entry in real if entry.pulse), real[0] if real else None)
    if microphone is None:
        return None
    return (
        f"the default input hears what the speakers play and not you: choose {microphone.name!r} with --mic, or make "
        f"it the default in {_level_settings()}"
    )


def nothing_arrives(waited_s: float) -> str | None:
    """What to say of an input that has delivered no sample for `waited_s`; None = too early to say."""
    if waited_s < _FIRST_S:
        return None
    return (
        "no sound arrives: a monitor of an output is silent until something plays; "
        "otherwise connect or unmute the input, or choose another (`livemerc devices`)"
    )
