"""Checkpoints: a folder with `merits-l.json` and safetensors files. Never pickle; every file's SHA-256 is checked.

`read_manifest` needs no torch, so that `doctor` and bad paths answer at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from livemerc.errors import ModelError, cause_of
from livemerc.events import CheckpointInfo
from livemerc.model.temperatures import Temperatures

if TYPE_CHECKING:
    from torch import Tensor, nn

    from livemerc.model.merits import MeritsL

MANIFEST = "merits-l.json"
FORMAT = 1
"""The checkpoint brings its own speech encoder, or the frozen front end of a full-size one."""
FORMAT_OF_VOICE = 2
"""A head over the encoder of the Whisper that ships: `Manifest.voice_encoder`, and only there."""
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


class VoiceEncoder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which Whisper a voice head was trained on, by content: over another's encoder it makes nonsense.

    The file ships with livemerc, because the recogniser needs it, and lies in no checkpoint's folder.
    """

    file: Annotated[str, Meta(pattern=r"^whisper-[\w.-]+/model\.bin$", max_length=100)] = "whisper-tiny.en/model.bin"
    """In the folder of the weights that ship."""
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Meta(ge=1)]
    licence: str = "MIT (OpenAI Whisper tiny.en)"

    @property
    def path(self) -> Path:
        return BUNDLED / self.file

    @classmethod
    def shipped(cls) -> VoiceEncoder:
        """The one that is here, for a voice that is trained on it."""
        file = BUNDLED / "whisper-tiny.en/model.bin"
        return cls(sha256=file_sha256(file), bytes=file.stat().st_size)


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
    voice_encoder: VoiceEncoder | None = None
    """Format 2: what is frozen; `speech` is then the head over it."""
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
    def voice_statistics_id(self) -> str | None:
        """What the statistics of a voice are: SHA-256 of the encoder's own and of what is taken of its layers. Those of
        two checkpoints mean the same where this is the same, whatever heads they have. None = format 1, which judges no
        voice against earlier ones."""
        if self.voice_encoder is None:
            return None
        layout = {key: self.speech.config.get(key) for key in ("rows", "kinds", "peak", "part_s", "dimension")}
        return hashlib.sha256(msgspec.json.encode([self.voice_encoder.sha256, layout])).hexdigest()

    @property
    def licence(self) -> str:
        frozen = self.speech_front or self.voice_encoder
        front = "" if frozen is None else f"speech front end: {frozen.licence}; "
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
    if manifest.format not in (FORMAT, FORMAT_OF_VOICE):
        raise ModelError(
            f"{where}: checkpoint format {manifest.format}, this version reads {FORMAT} and {FORMAT_OF_VOICE}; "
            "export it again."
        )
    of_voice = manifest.voice_encoder is not None
    if of_voice != (manifest.format == FORMAT_OF_VOICE) or (
        of_voice and (manifest.speech_front is not None or manifest.s1 != "logits")
    ):
        raise ModelError(f"{where}: its speech branch is not one of format {manifest.format}; export it again.")
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
    if manifest.voice_encoder is not None:
        _verify_encoder(manifest.voice_encoder)
    return manifest


def _verify_encoder(encoder: VoiceEncoder) -> None:
    try:
        known = encoder.path.stat().st_size == encoder.bytes and file_sha256(encoder.path) == encoder.sha256
    except OSError as error:
        raise ModelError(
            f"{encoder.path}: the checkpoint judges the voice with this Whisper's encoder, and it cannot be read "
            f"({cause_of(error)}); install livemerc again."
        ) from error
    if not known:
        raise ModelError(
            f"{encoder.path}: this is not the Whisper that the checkpoint's voice was trained on (SHA-256 differs); "
            "install livemerc again, or train the voice anew: the checkpoint belongs to another Whisper."
        )


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
        if manifest.speech_front is None and manifest.voice_encoder is None:
            _read_weights(speech, folder, manifest.speech)
        else:
            _read_weights(speech.head, folder, manifest.speech)
        if manifest.speech_front is not None:
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
    """The speech branch, weights not read: the compact encoder, or a head over what is frozen."""
    if manifest.voice_encoder is not None:
        from livemerc.model.voice import VoiceBranch
        from livemerc.model.voice_head import VoiceHead
        from livemerc.model.whisper_encoder import WhisperEncoder

        head = VoiceHead(manifest.speech.config)
        return VoiceBranch(WhisperEncoder(manifest.voice_encoder.path, head.config.layout), head)
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


def pack_state(
    state: dict[str, Tensor], quantise: tuple[str, ...] = (), half: bool = True, exact: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """A state dict as it is stored: float16 if `half`, but for those in `exact`; the tables in `quantise` as int8 rows
    with their scales."""
    import torch

    from livemerc.model.quantise import quantise_rows

    packed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name in quantise:
            packed[name + ".scale"], packed[name + ".int8"] = quantise_rows(tensor.float())
        elif half and tensor.dtype == torch.float32 and name not in exact:
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
