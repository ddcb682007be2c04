"""Voiceprints made by hand, of voices that lie where a test puts them."""

from __future__ import annotations

from collections.abc import Sequence

from livemerc.speakers.voiceprints import Consent, EmbedderId, UsualVoice, Voiceprint, question_of

EMBEDDER = EmbedderId(name="test", sha256="0" * 64)


def voiceprint(
    name: str,
    mean: Sequence[float] = (1.0, 0.0),
    embedder: EmbedderId = EMBEDDER,
    usual_voice: UsualVoice | None = None,
) -> Voiceprint:
    return Voiceprint(
        name=name, embedder=embedder, mean=list(mean), weight=8.0, voiced_s=16.0, utterances=5,
        consent=Consent(question=question_of(name), given_at="2026-01-02T03:04:05+00:00", how="flag"),
        enrolled_at="2026-01-02T03:04:05+00:00", version="0.1.0",
        usual_voice=usual_voice,
    )  # fmt: skip
