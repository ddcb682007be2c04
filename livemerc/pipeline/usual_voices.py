"""How enrolled people usually sound: heard while they are enrolled, and what their baselines begin with in a session.

Voices as one encoder hears them mean nothing to another's head, so they are never mixed: what another encoder made is
told, and left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from livemerc.model.checkpoint import Manifest, read_manifest
from livemerc.model.voice_head import HeadConfig
from livemerc.pipeline.entry import packed, unpacked
from livemerc.pipeline.judging import Voice
from livemerc.speakers.voiceprints import UsualVoice, Voiceprint, same_name
from livemerc.text_safety import plain_text

if TYPE_CHECKING:
    import numpy as np

    from livemerc.config import Config


class UsualEars:
    """The ears of the checkpoint that the settings name, loaded: one with baselines. Raises `ModelError`."""

    def __init__(self, config: Config) -> None:
        from livemerc.model.encoders import choose_device, load_model

        wanted = config.model
        self._manifest = read_manifest(wanted.checkpoint)
        device = choose_device(wanted.device)
        _, self._encoders = load_model(wanted.checkpoint, device, wanted.threads, wanted.precision)

    def hear(self, samples: np.ndarray) -> bytes | None:
        """One utterance, (n,) float32 at 16 kHz, as one of `UsualVoice.voices`; None = the encoder makes nothing of it
        that is finite."""
        voice = self._encoders.speech(samples)
        return packed(voice) if bool(voice.isfinite().all()) else None

    def made_of(self, voices: list[bytes]) -> UsualVoice:
        """The usual voice of whoever has said these."""
        statistics = self._manifest.voice_statistics_id
        assert statistics is not None
        return UsualVoice(statistics=statistics, checkpoint=plain_text(self._manifest.id), voices=voices)


class UsualVoices:
    """Those among the voiceprints that the checkpoint can be judged against. `remarks`: sentences about them."""

    def __init__(self, prints: Sequence[Voiceprint], manifest: Manifest) -> None:
        self.remarks: list[str] = []
        self._of: dict[str, tuple[Voice, ...]] = {}
        kept = [(one.name, one.usual_voice) for one in prints if one.usual_voice is not None]
        if manifest.voice_statistics_id is None:
            self.remarks.append(
                f"{manifest.id} judges no voice against how its speaker usually sounds: speakers.usual_voice is idle"
            )
            return
        for name, usual in kept:
            voices = _voices(usual, manifest)
            if voices is None:
                self.remarks.append(
                    f"the usual voice of {name} was enrolled for {usual.checkpoint}, which hears otherwise than "
                    f"{manifest.id}: it is not used; forget {name} and enrol again with --usual-voice "
                    "(`livemerc speakers`)."
                )
            else:
                self._of[name] = voices
        if self._of:
            self.remarks.append(
                f"judged against their enrolled usual voices once they are recognised: {', '.join(self._of)} "
                "(--no-usual-voice leaves that out)"
            )
        elif not kept:
            self.remarks.append(
                "nobody's usual voice is enrolled (`livemerc speakers enroll NAME --usual-voice`), so every baseline "
                "begins cold"
            )

    def of(self, name: str | None) -> tuple[Voice, ...]:
        """Of whoever has that name, the oldest first; () = nobody's, or not known."""
        if name is None:
            return ()
        return next((voices for known, voices in self._of.items() if same_name(known, name)), ())


def _voices(usual: UsualVoice, manifest: Manifest) -> tuple[Voice, ...] | None:
    """None = they are another encoder's, or damaged."""
    if usual.statistics != manifest.voice_statistics_id or any(len(data) % 4 for data in usual.voices):
        return None
    try:
        width = msgspec.convert(manifest.speech.config, HeadConfig).width
    except msgspec.ValidationError:
        return None  # a checkpoint that does not load
    rows = [row for data in usual.voices if (row := unpacked(data)) is not None]
    if any(len(row) != width or not bool(row.isfinite().all()) for row in rows):
        return None
    return tuple(Voice(row) for row in rows)
