"""The embedder that `speakers.embedder` asks for: GE2E, one that was fetched, or an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from livemerc.speakers.models import GE2E, PUBLISHED, file_of
from livemerc.speakers.scale import id_of, scale_of
from livemerc.speakers.voiceprints import EmbedderId

if TYPE_CHECKING:
    from livemerc.speakers.embedder import SpeakerEmbedder


def make_embedder(asked: str = GE2E) -> SpeakerEmbedder:
    """Loads it. Raises `ModelError` where it is not here, is damaged, or was not measured."""
    if asked == GE2E:
        from livemerc.speakers.ge2e import Ge2eEmbedder

        return Ge2eEmbedder()
    file = file_of(asked)
    scale = scale_of(file, asked)
    from livemerc.speakers.wespeaker import WespeakerEmbedder

    return WespeakerEmbedder(file, scale, mend_of(asked, file))


def id_asked_for(asked: str = GE2E) -> EmbedderId:
    """Which embedder that is; needs no torch. Raises `ModelError` as `make_embedder` does, without a look into it."""
    if asked == GE2E:
        from livemerc.speakers.ge2e import embedder_id

        return embedder_id()
    file = file_of(asked)
    return id_of(file, scale_of(file, asked))


def mend_of(asked: str, file: Path) -> str:
    """What to do about a network that cannot be used."""
    if asked in PUBLISHED:
        return f"delete that file and fetch it again (`livemerc models pull {asked}`)"
    return "name another one in speakers.embedder"
