"""How an embedder's points lie: its centre and scale, and the limits that depend on them.

GE2E's ship with it. Those of another embedder are measured where its weights are (`livemerc-train measure-embedder`)
and lie in a JSON file beside it or in the user's data folder; without them it is not used. No numpy, no torch.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from livemerc.errors import ModelError, cause_of
from livemerc.speakers.voiceprints import EmbedderId

MEASURE = "livemerc-train measure-embedder"
_LONGEST_FILE_BYTES = 1 << 20
_Positive = Annotated[float, Meta(gt=0, le=1e9)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`between`, `dimensions`: of the mixture (`livemerc.speakers.mixture.Mixture`). `strays`: the squared distance of
    the two least alike windows of an utterance's point below which its voice is one. `part_cost`, `coarse_cost`: of
    each further part of a course, all its windows or every third, in squared distances of windows from their part's
    mean (`livemerc.speakers.turns`)."""

    between: _Positive
    dimensions: _Positive
    strays: _Positive
    part_cost: _Positive
    coarse_cost: _Positive


class EmbedderScale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """x = (e - centre) * scale: around 0 for readers, and the variance of one speaker's utterances is 1 in each of the
    directions that vary. `sha256`: of the network's file; `voices`, `clips`, `corpus`: what it was measured on."""

    format: Literal[1] = 1
    sha256: str
    centre: Annotated[list[float], Meta(min_length=2)]
    scale: _Positive
    limits: Limits
    voices: Annotated[int, Meta(ge=0)]
    clips: Annotated[int, Meta(ge=0)]
    corpus: str
    measured_at: str  # ISO 8601, UTC
    version: str  # livemerc's


def default_folder() -> Path:
    """`embedders` in the user's data folder; need not exist."""
    import platformdirs

    return Path(platformdirs.user_data_dir("livemerc")) / "embedders"


def beside(network: Path) -> Path:
    """Where a scale may lie that moves with its network."""
    return network.with_name(network.name + ".scale.json")


def digest_of(network: Path) -> str:
    """SHA-256 in hex. Raises `ModelError`."""
    try:
        with network.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{network}: this embedder cannot be read ({cause_of(error)}); name another one.") from error


def own_file(sha256: str) -> Path:
    """The scale of the network with that digest, in the user's data folder."""
    return default_folder() / f"{sha256[:32]}.json"


def scale_of(network: Path, asked: str) -> EmbedderScale:
    """What was measured of a network. asked: what it is called in `speakers.embedder`. Raises `ModelError` where
    nothing was, or the file is damaged or another network's."""
    sha256 = digest_of(network)
    for path in (beside(network), own_file(sha256)):
        if path.is_file():
            return _read(path, sha256, asked)
    raise ModelError(
        f"{network.name}: its centre and scale have not been measured, and without them no speakers are told apart by "
        f"it; run `{MEASURE} {asked} --data READERS`."
    )


def _read(path: Path, sha256: str, asked: str) -> EmbedderScale:
    mend = f"measure it again (`{MEASURE} {asked}`)"
    try:
        with path.open("rb") as file:
            found = msgspec.json.decode(file.read(_LONGEST_FILE_BYTES), type=EmbedderScale)
    except OSError as error:
        raise ModelError(f"{path}: this scale cannot be read ({cause_of(error)}); {mend}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{path}: this scale is damaged ({error}); {mend}.") from error
    if found.sha256 != sha256:
        raise ModelError(f"{path}: this scale is another embedder's; {mend}.")
    return found


def id_of(network: Path, scale: EmbedderScale) -> EmbedderId:
    """Its points are comparable with those of the same weights, centre and scale only, so all three are in it."""
    point = msgspec.json.encode([scale.sha256, scale.centre, scale.scale])
    return EmbedderId(name=network.stem, sha256=hashlib.sha256(point).hexdigest())
