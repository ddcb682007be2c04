"""Runs -> a checkpoint folder: three safetensors files, the tokenizer and `merits-l.json` with every file's SHA-256."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors.torch import save_file

from livemerc.emotions import LABELS
from livemerc.model.calibration import Temperatures
from livemerc.model.checkpoint import FORMAT, MANIFEST, Abstention, Manifest, Part, file_sha256, pack_state
from livemerc.model.merits import ConversationModel
from trainer.compact.compose import clip_pools, compose, voices_alone
from trainer.compact.config import FusionStage
from trainer.compact.conversation import text_alone
from trainer.compact.text import load_encoder
from trainer.compact.text_features import TextFeatures
from trainer.loop.calibrate import fit_temperatures

WORD_TABLE = "encoder.embeddings.word_embeddings.weight"

TEXT_DATA = ["GoEmotions (Apache-2.0)", "EmoryNLP (Apache-2.0)", "MELD (GPL-3.0 dataset)"]
SPEECH_DATA = ["RAVDESS (CC BY-NC-SA 4.0)", "nEMO (CC BY-NC-SA 4.0)"]
TEXT_LICENCE = "GPL-3.0-only (MELD; GoEmotions and EmoryNLP are Apache-2.0)"
SPEECH_LICENCE = "CC-BY-NC-SA-4.0 (RAVDESS, nEMO): non-commercial"
FUSION_LICENCE = "CC-BY-NC-SA-4.0 (RAVDESS, nEMO; MELD): non-commercial"


def calibration_conditions(text: TextFeatures, speech: Path, fusion: FusionStage, seed: int) -> dict[str, list]:
    """Dev dialogues for the temperatures: half as written, half in ASR style, voices of the dev actors."""
    pool = clip_pools(speech, fusion.dev_actors)["dev"]
    rng = np.random.default_rng(seed)
    mixed = [
        (text.dialogues("dev", "clean" if rng.random() < 0.5 else "plain"))[d]
        for d in range(len(text.arrays["dev_lengths"]))
    ]
    return {
        "text_only": text_alone(mixed, pool.s1.shape[1]),
        "speech_only": [voices_alone(w, pool, rng) for w in mixed],
        "both": [compose(w, pool, fusion.match, 0.0, rng) for w in mixed],
    }


def export(
    text_stage: Path,
    speech_stage: Path,
    context: Path,
    features: Path,
    fusion: FusionStage,
    out: Path,
    checkpoint_id: str,
    abstention: Abstention,
) -> Manifest:
    """Writes the checkpoint to `out` (made if need be); returns its manifest. Temperatures are fitted here, on dev."""
    from safetensors.torch import load_file

    out.mkdir(parents=True, exist_ok=True)
    text_encoder, tokenizer_path = load_encoder(text_stage)
    speech_config: dict[str, Any] = json.loads((speech_stage / "speech.json").read_text())
    speech_config = speech_config.get("config", speech_config)
    conversation_config = json.loads((context / "figures.json").read_text())["config"]
    model = ConversationModel(conversation_config)
    model.load_state_dict(torch.load(context / "conversation.pt", weights_only=True))
    text = TextFeatures(features)
    conditions = calibration_conditions(text, speech_stage / "embeddings.npz", fusion, seed=0)
    temperatures: Temperatures = fit_temperatures(model, conditions, fusion.context)

    save_file(pack_state(text_encoder.state_dict(), quantise=(WORD_TABLE,)), out / "text.safetensors")
    save_file(pack_state(load_file(speech_stage / "speech.safetensors")), out / "speech.safetensors")
    save_file(pack_state(model.state_dict()), out / "fusion.safetensors")
    shutil.copyfile(tokenizer_path, out / "tokenizer.json")
    for path in out.glob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes for the owner alone; a package is read by everyone

    def part(name: str, config: dict[str, Any], licence: str, data: list[str]) -> Part:
        return Part(file=name, sha256=file_sha256(out / name), config=config, licence=licence, data=data)

    manifest = Manifest(
        format=FORMAT,
        id=checkpoint_id,
        labels=list(LABELS),
        prior=text.prior.tolist(),
        text=part("text.safetensors", text_encoder.config, TEXT_LICENCE, TEXT_DATA),
        speech=part("speech.safetensors", speech_config, SPEECH_LICENCE, SPEECH_DATA),
        fusion=part("fusion.safetensors", conversation_config, FUSION_LICENCE, TEXT_DATA + SPEECH_DATA),
        tokenizer="tokenizer.json",
        tokenizer_sha256=file_sha256(out / "tokenizer.json"),
        temperatures=temperatures,
        abstention=abstention,
        speech_trust=fusion.match,
    )
    (out / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    return manifest
