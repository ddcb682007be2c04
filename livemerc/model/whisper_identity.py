"""Which Whisper a checkpoint's speech front end is: the weights stay in the user's Whisper folder. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

LONGEST_NAME = 100


class WhisperIdentity(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="whisper"
):
    """The configuration of a `speech_front` of kind "whisper".

    A head over one Whisper's encoder makes nonsense of another's, so the file is named by its content; `name` only
    says where to look for it first.
    """

    name: Annotated[str, Meta(pattern=r"^[\w.-]+(/[\w.-]+)?$", max_length=LONGEST_NAME)]
    """A size (base), a repository of the hub (owner/name), or the name of the folder that it was trained from."""
    model_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    """Of `model.bin`, CTranslate2's file of weights."""
    model_bytes: Annotated[int, Meta(ge=1)]
    """Size of `model.bin`: another size is another Whisper, without reading gigabytes."""
    dimension: Annotated[int, Meta(ge=1, le=8192)]
    """D of the encoder's states."""
    quantised: bool
    """Whether it was computed with integer weights: int8 moves the states far more than float16 does."""
    states: Literal["last"] = "last"
    """The encoder's output behind its last layer and norm; CTranslate2 gives no other."""
    pooling: Literal["mean over the frames that hold audio"] = "mean over the frames that hold audio"
