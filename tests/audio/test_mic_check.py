from __future__ import annotations

import numpy as np
import pytest

from livemerc.audio.microphone import check as mic_check
from livemerc.audio.microphone.check import SignalCheck, nothing_arrives, wrong_default
from livemerc.audio.microphone.devices import InputDevice

RATE_HZ = 8_000


def checked(*pieces: np.ndarray) -> str | None:
    check = SignalCheck(RATE_HZ)
    for piece in pieces:
        check.feed(piece)
    return check.why()


def silence(seconds: float) -> np.ndarray:
    return np.zeros((round(seconds * RATE_HZ), 2), np.float32)


def sound(seconds: float, level: float) -> np.ndarray:
    tone = level * np.sin(np.arange(round(seconds * RATE_HZ)))
    return np.repeat(tone[:, None], 2, axis=1).astype(np.float32)


def test_digital_silence_from_the_start_is_named_with_a_mend():
    assert checked(silence(2.5)) is None
    assert "digital silence" in (checked(silence(2.5), silence(0.6)) or "")


def test_a_pause_of_a_noise_gate_is_no_fault_but_a_mute_button_is():
    assert checked(sound(1, 0.1), silence(10)) is None
    assert "digital silence" in (checked(sound(1, 0.1), silence(31)) or "")
    assert checked(silence(31), sound(0.1, 0.1)) is None


def test_clipping_is_named_and_forgotten_when_it_ends():
    loud = np.clip(sound(3, 3.0), -1, 1)
    assert "clips" in (checked(loud) or "")
    assert checked(loud, sound(3, 0.3)) is None
    assert checked(sound(3, 0.5)) is None


@pytest.mark.parametrize(
    ("system", "permission", "level"),
    [
        ("linux", "pavucontrol", "pavucontrol"),
        ("darwin", "Privacy & Security > Microphone", "System Settings > Sound > Input"),
        ("win32", "Privacy & security > Microphone", "Settings > System > Sound > Input"),
    ],
)
def test_the_mend_is_that_of_the_system(monkeypatch, system, permission, level):
    monkeypatch.setattr(mic_check.sys, "platform", system)
    assert permission in (checked(silence(4)) or "")
    assert level in (checked(np.clip(sound(3, 3.0), -1, 1)) or "")
    assert level in (checked(sound(11, 3e-5)) or "")
    speakers = InputDevice(0, "Monitor of Speakers", "ALSA", 48_000, 2, default=True, monitor=True)
    headset = InputDevice(1, "Headset", "ALSA", 48_000, 1, default=False, monitor=False)
    assert level in (wrong_default([speakers, headset]) or "")
    assert wrong_default([speakers]) is None


def test_a_quiet_pause_is_no_fault_once_a_voice_was_heard():
    assert "hardly any level" in (checked(sound(11, 3e-5)) or "")
    assert checked(sound(1, 0.1), sound(20, 3e-5)) is None


def test_nothing_at_all_is_named_after_three_seconds():
    assert nothing_arrives(2.0) is None
    assert "monitor" in (nothing_arrives(4.0) or "")
