"""Full-size modules -> a checkpoint folder that `livemerc run --checkpoint` loads: no network, no pickle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from livemerc.errors import ConfigError, LivemercError
from livemerc.model.calibration import Temperatures
from livemerc.model.checkpoint import FORMAT, MANIFEST, Abstention, Manifest, Part, file_sha256, pack_state
from livemerc.model.frozen_speech import FrozenSpeech, front_config
from livemerc.model.merits import ConversationModel
from livemerc.model.speech_head import FrozenSpeechBranch, SpeechHead
from livemerc.model.text import TextEncoder


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Licence of one part's weights and the data they were trained on; shown by every session and in the manifest."""

    licence: str
    data: list[str]


class Origins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `Origin` a part."""

    text: Origin
    speech: Origin
    speech_front: Origin
    fusion: Origin


def export_full(
    out: Path,
    *,
    checkpoint_id: str,
    labels: Sequence[str],
    prior: Sequence[float],
    text: TextEncoder,
    tokenizer: Any,
    front: FrozenSpeech,
    head: SpeechHead,
    conversation: ConversationModel,
    origins: Origins,
    temperatures: Temperatures | None = None,
    abstention: Abstention | None = None,
    s1: Literal["logits", "embedding"] = "embedding",
    speech_trust: float = 1.0,
    half: bool = True,
) -> Manifest:
    """Writes `out` (made if need be) and returns its manifest.

    `labels`, `prior` (shares, summing to 1) in the order of the logits; `tokenizer`: a `tokenizers.Tokenizer`;
    `s1`: what Stage II speech was trained on; `half`: float16 weights (half the room; T1 and S1 move by about 1e-3),
    else float32. The manifest is written last, so a folder with one is whole.

    Raises `ConfigError` (exit 2) where the parts do not fit one another or the front end cannot be stored (CARE),
    `LivemercError` (exit 6) on a full disk.
    """
    conversation_config = conversation.config
    try:
        FrozenSpeechBranch(front, head)
        stored_front = front_config(front)
    except ValueError as error:
        raise ConfigError(f"{error}; choose another speech front end for a checkpoint that runs live.") from error
    speech_width = len(labels) if s1 == "logits" else head.dimension
    _fits("labels of the text encoder", text.config["labels"], len(labels))
    _fits("labels of the speech head", head.config["labels"], len(labels))
    _fits("labels of Stages II and III", conversation_config["labels"], len(labels))
    _fits("shares of the prior", len(prior), len(labels))
    _fits("width of Stage II text", conversation_config["text"]["width"], text.dimension)
    _fits("width of Stage II speech", conversation_config["speech"]["width"], speech_width)

    def part(name: str, module: nn.Module, config: dict[str, Any], origin: Origin) -> Part:
        file = out / f"{name}.safetensors"
        save_file({k: v.cpu() for k, v in pack_state(module.state_dict(), half=half).items()}, file)
        file.chmod(0o644)  # safetensors writes for the owner alone
        return Part(
            file=file.name, sha256=file_sha256(file), config=config, licence=origin.licence, data=list(origin.data)
        )

    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / MANIFEST).unlink(missing_ok=True)
        (out / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
        manifest = Manifest(
            format=FORMAT,
            id=checkpoint_id,
            labels=list(labels),
            prior=[float(p) for p in prior],
            text=part("text", text, text.config, origins.text),
            speech=part("speech", head, head.config, origins.speech),
            speech_front=part("speech-front", front, stored_front, origins.speech_front),
            fusion=part("fusion", conversation, conversation_config, origins.fusion),
            tokenizer="tokenizer.json",
            tokenizer_sha256=file_sha256(out / "tokenizer.json"),
            temperatures=temperatures or Temperatures(),
            abstention=abstention or Abstention(),
            speech_trust=speech_trust,
            s1=s1,
        )
        (out / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    except (OSError, SafetensorError) as error:
        raise LivemercError(
            f"{out}: the checkpoint cannot be written ({error}); free some room and export again."
        ) from error
    return manifest


def _fits(what: str, value: int, wanted: int) -> None:
    if value != wanted:
        raise ConfigError(
            f"{what}: {value}, where the rest of the checkpoint has {wanted}; export what was trained together."
        )
