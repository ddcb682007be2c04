"""Checkpoints: a folder with `merits-l.json` and safetensors files. Never pickle; every file's SHA-256 is checked.

`read_manifest` needs no torch, so that `doctor` and bad paths answer at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from livemerc.errors import ModelError, cause_of
from livemerc.events import CheckpointInfo
from livemerc.model.temperatures import Temperatures

if TYPE_CHECKING:
    from torch import Tensor, nn

    from livemerc.model.merits import MeritsL

MANIFEST = "merits-l.json"
FORMAT = 1
_LONGEST_MANIFEST_BYTES = 1 << 22
_LARGEST = 300_000
"""Above any size of a layer, a vocabulary or a window."""
BUNDLED = Path(__file__).resolve().parent.parent / "weights"


class Abstention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the label is withheld; chosen on dev. `min_confidence`: calibrated probability of the top label."""

    min_confidence: float = 0.40
    short_s: float = 0.5
    asr_confidence: float = 0.35
    disagreement: float = 0.5


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of weights with the configuration that rebuilds its network, its licence and its training data."""

    file: str
    sha256: str
    config: dict[str, Any]
    licence: str
    data: list[str]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`merits-l.json`."""

    format: int
    id: str
    labels: list[str]
    prior: list[float]
    text: Part
    speech: Part
    fusion: Part
    tokenizer: str
    tokenizer_sha256: str
    temperatures: Temperatures
    abstention: Abstention
    speech_trust: float
    """The voice's worth on a corpus never heard, relative to unseen speakers of a known one: 0 = chance, 1 = equal."""
    speech_front: Part | None = None
    """Full size: the frozen front end; `speech` is then the head over it. None: `speech` is the compact encoder."""
    s1: Literal["logits", "embedding"] = "logits"
    """What Stages II and III get of the voice: Stage I's logits, or the embedding as in the paper."""
    text_languages: tuple[str, ...] = ("en",)
    """Codes of the languages that the text branch has learnt; text in any other never reaches it."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every file of weights."""
        front = () if self.speech_front is None else (self.speech_front,)
        return (self.text, self.speech, *front, self.fusion)

    @property
    def licence(self) -> str:
        front = "" if self.speech_front is None else f"speech front end: {self.speech_front.licence}; "
        return f"text: {self.text.licence}; speech: {self.speech.licence}; {front}fusion: {self.fusion.licence}"


def checkpoint_folder(path: str | Path | None) -> Path:
    """The folder of `--checkpoint`, or the one that ships."""
    return BUNDLED if path is None else Path(path)


def read_manifest(path: str | Path | None = None) -> Manifest:
    """The manifest of a checkpoint folder (None = the bundled one). Raises `ModelError` (exit 3); needs no torch."""
    folder = checkpoint_folder(path)
    where = folder / MANIFEST
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise ModelError(f"{folder}: the checkpoint {problem}; --checkpoint takes a folder with {MANIFEST} in it.")
    try:
        with where.open("rb") as file:
            manifest = msgspec.json.decode(file.read(_LONGEST_MANIFEST_BYTES), type=Manifest)
    except OSError as error:
        raise ModelError(
            f"{where}: cannot be read ({cause_of(error)}); this folder is no livemerc checkpoint."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{where}: not a livemerc checkpoint manifest ({error}); export it again.") from error
    if manifest.format != FORMAT:
        raise ModelError(f"{where}: checkpoint format {manifest.format}, this version reads {FORMAT}; export it again.")
    if len(manifest.prior) != len(manifest.labels):
        raise ModelError(
            f"{where}: {len(manifest.labels)} labels but {len(manifest.prior)} prior shares; export it again."
        )
    if not manifest.labels or len(set(manifest.labels)) < len(manifest.labels):
        raise ModelError(f"{where}: no labels, or one of them twice; export it again.")
    if min(manifest.prior) < 0 or not 0.99 < sum(manifest.prior) < 1.01:
        raise ModelError(f"{where}: the prior shares are no probabilities; export it again.")
    if manifest.speech_front is not None and manifest.speech_front.config.get("kind") == "whisper":
        raise ModelError(
            f"{where}: its voice needs an encoding by the recogniser's Whisper, which this version does not give; "
            "train the voice anew and export it again (docs/training.md)."
        )
    for name in (*(part.file for part in manifest.parts), manifest.tokenizer):
        if Path(name).name != name:
            raise ModelError(f"{where}: {name[:100]!r} points outside the checkpoint's folder; export it again.")
        if len(name) > 100 or not name.isprintable():
            raise ModelError(f"{where}: {name[:100]!r} is no plain name of a file; export it again.")
        if not (folder / name).is_file():
            raise ModelError(f"{folder / name}: missing from the checkpoint; copy the whole folder again.")
    return manifest


def verify_files(path: str | Path | None = None) -> Manifest:
    """`read_manifest`, then every file against its SHA-256: a truncated or changed file is a `ModelError`."""
    manifest = read_manifest(path)
    folder = checkpoint_folder(path)
    expected = {part.file: part.sha256 for part in manifest.parts}
    expected[manifest.tokenizer] = manifest.tokenizer_sha256
    for name, digest in expected.items():
        if file_sha256(folder / name) != digest:
            raise ModelError(f"{folder / name}: truncated or changed (SHA-256 differs); copy the checkpoint again.")
    return manifest


def checkpoint_info(path: str | Path | None = None) -> CheckpointInfo:
    """What `session.start` says of a checkpoint. The manifest holds every file's hash: its own hash names them all."""
    manifest = read_manifest(path)
    digest = file_sha256(checkpoint_folder(path) / MANIFEST)
    return CheckpointInfo(id=manifest.id, sha256=digest, licence=manifest.licence)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_checkpoint(path: str | Path | None = None, device: str = "cpu") -> MeritsL:
    """The model of a checkpoint folder in evaluation mode on `device`. Raises `ModelError` (exit 3)."""
    from livemerc.model.merits import ConversationModel, MeritsL
    from livemerc.model.text import TextEncoder
    from livemerc.model.undrawn import Undrawn

    manifest = verify_files(path)
    folder = checkpoint_folder(path)
    for part in manifest.parts:
        _check_sizes(part, folder / part.file)
    try:
        with Undrawn():
            text = TextEncoder(manifest.text.config, lean=True)
            speech = _speech_branch(manifest)
            conversation = ConversationModel(manifest.fusion.config)
        _read_weights(text, folder, manifest.text)
        if manifest.speech_front is None:
            _read_weights(speech, folder, manifest.speech)
        else:
            _read_weights(speech.head, folder, manifest.speech)
            _read_weights(speech.front, folder, manifest.speech_front)
        _read_weights(conversation, folder, manifest.fusion)
    except ModelError:
        raise
    # A boundary: networks are built from what the file says, and each library has its own errors for nonsense.
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise ModelError(
            f"{folder}: the weights do not fit their manifest ({first}); export the checkpoint again."
        ) from error
    model = MeritsL(
        text, speech, conversation, manifest.temperatures, tuple(manifest.labels), tuple(manifest.prior), manifest.s1
    )
    return model.eval().to(device)


def _check_sizes(part: Part, weights: Path) -> None:
    """A number in the configuration that these weights cannot have would take minutes and gigabytes to find wrong."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt") as file:
            tensors = len(file.keys())
    except SafetensorError as error:
        raise ModelError(
            f"{weights}: this is not a safetensors file ({str(error)[:300]}); export the checkpoint again."
        ) from error
    for key, value in _numbers(part.config, ""):
        # A head over a front end's layers weighs 13 or 25 of them with one tensor.
        if abs(value) > _LARGEST or ("layers" in key and value > max(tensors, 64)):
            raise ModelError(f"{weights.name}: its configuration says {key} = {value:g}; export the checkpoint again.")


def _numbers(value: Any, key: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _numbers(below, str(name)[:100])
    elif isinstance(value, list):
        for below in value:
            yield from _numbers(below, key)
    elif isinstance(value, int | float):
        yield key, value


def _speech_branch(manifest: Manifest) -> Any:
    """The speech branch, weights not read: the compact encoder, or a head over a frozen front end."""
    if manifest.speech_front is None:
        from livemerc.model.speech import SpeechEncoder

        return SpeechEncoder(manifest.speech.config)
    from livemerc.model.frozen_speech import build_front
    from livemerc.model.speech_head import FrozenSpeechBranch, SpeechHead

    return FrozenSpeechBranch(build_front(manifest.speech_front.config), SpeechHead(manifest.speech.config))


def _read_weights(module: nn.Module, folder: Path, part: Part) -> None:
    from safetensors.torch import load_file

    state = unpack_state(load_file(folder / part.file))
    if any(tensor.isnan().any() for tensor in state.values()):
        raise ModelError(f"{folder / part.file}: some weights are no numbers (NaN); export the checkpoint again.")
    module.load_state_dict(state)


def pack_state(state: dict[str, Tensor], quantise: tuple[str, ...] = (), half: bool = True) -> dict[str, Tensor]:
    """A state dict as it is stored: float16 if `half`; the tables in `quantise` as int8 rows with their scales."""
    import torch

    from livemerc.model.quantise import quantise_rows

    packed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name in quantise:
            packed[name + ".scale"], packed[name + ".int8"] = quantise_rows(tensor.float())
        elif half and tensor.dtype == torch.float32:
            packed[name] = tensor.half().contiguous()
        else:
            packed[name] = tensor.contiguous()
    return packed


def unpack_state(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """The float32 state dict of `pack_state`."""
    import torch

    from livemerc.model.quantise import restore_rows

    state: dict[str, Tensor] = {}
    for name, tensor in packed.items():
        if name.endswith(".int8"):
            table = name.removesuffix(".int8")
            state[table] = restore_rows(packed[table + ".scale"], tensor)
        elif not (name.endswith(".scale") and name.removesuffix(".scale") + ".int8" in packed):
            state[name] = tensor.float() if tensor.dtype == torch.float16 else tensor
    return state
