"""What of a finished compact run goes into its checkpoint; temperatures are fitted here, on dev."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from livemerc.emotions import LABELS
from livemerc.model.checkpoint import Abstention, Manifest, VoiceEncoder, pack_state
from livemerc.model.merits import ConversationModel
from livemerc.model.voice_head import VoiceHead
from trainer.compact.compose import clip_pools, compose, voices_alone
from trainer.compact.config import FusionStage, read_stage
from trainer.compact.conversation import text_alone
from trainer.compact.stages import need
from trainer.compact.text import TOKENIZER, load_encoder
from trainer.compact.text_features import TextFeatures
from trainer.corpora.sources import check_may_ship, data_of, licence_of
from trainer.loop.calibrate import abstention_limit, fit_temperatures, fused_probabilities
from trainer.loop.checkpoint_folder import Origin, Weights, write_checkpoint_folder

WORTH_SHOWING = 0.45
"""A label is withheld where fewer of its like are right, on dev as a monitor hears it."""
WORD_TABLE = "encoder.embeddings.word_embeddings.weight"

TEXT = Origin(
    licence="GPL-3.0-only (MELD; GoEmotions and EmoryNLP are Apache-2.0)",
    data=["GoEmotions (Apache-2.0)", "EmoryNLP (Apache-2.0)", "MELD (GPL-3.0 dataset)"],
)


def speech_origin(corpora: Sequence[str]) -> Origin:
    """Of a head that these corpora trained. Raises `ConfigError` where one of them may not."""
    check_may_ship(corpora, "the run's [voice] corpora")
    return Origin(licence=licence_of(corpora), data=data_of(corpora))


def fusion_origin(corpora: Sequence[str]) -> Origin:
    """Of Stages II and III, which learn from all texts and voices; MELD's licence is strict as well."""
    licence = licence_of(corpora)
    return Origin(licence=f"{licence}; GPL-3.0-only (MELD)", data=TEXT.data + data_of(corpora))


def calibration_conditions(text: TextFeatures, speech: Path, fusion: FusionStage, seed: int) -> dict[str, list]:
    """Dev dialogues for the temperatures, in Whisper's writing, with voices of the dev actors."""
    pool = clip_pools(speech, fusion.dev_actors, nameless=fusion.nameless)["dev"]
    rng = np.random.default_rng(seed)
    words = text.dialogues("dev", "whisper")
    return {
        "text_only": text_alone(words, pool.s1.shape[1]),
        "speech_only": [voices_alone(w, pool, rng) for w in words],
        "both": [compose(w, pool, fusion.match, 0.0, rng) for w in words],
    }


def export_run(config: Path, runs: Path, out: Path, name: str) -> Manifest:
    """The checkpoint of a finished run. Raises `ConfigError` where a stage is missing."""
    need(runs / "context/figures.json", "context")
    fusion = read_stage(config, "fusion", FusionStage)
    encoder, _ = load_encoder(runs / "text")
    voice: dict[str, Any] = json.loads((runs / "voice/final/voice.json").read_text())
    conversation = json.loads((runs / "context/figures.json").read_text())["config"]
    model = ConversationModel(conversation)
    model.load_state_dict(torch.load(runs / "context/conversation.pt", weights_only=True))
    text = TextFeatures(runs / "features/text.npz")
    conditions = calibration_conditions(text, runs / "voice/final/embeddings.npz", fusion, seed=0)
    temperatures = fit_temperatures(model, conditions, fusion.context)
    shown = fused_probabilities(model, conditions, fusion.context, temperatures, ("text_only", "both"))
    abstention = Abstention(min_confidence=abstention_limit(*shown, WORTH_SHOWING))
    corpora: list[str] = voice["corpora"]
    parts = {
        "text": Weights(pack_state(encoder.state_dict(), quantise=(WORD_TABLE,)), encoder.config, TEXT),
        "speech": Weights(
            pack_state(load_file(runs / "voice/final/voice.safetensors"), exact=VoiceHead.EXACT),
            voice["config"],
            speech_origin(corpora),
        ),
        "fusion": Weights(pack_state(model.state_dict()), conversation, fusion_origin(corpora)),
    }
    return write_checkpoint_folder(
        out, parts, (runs / "text" / TOKENIZER).read_bytes(), id=name, labels=list(LABELS), prior=text.prior.tolist(),
        temperatures=temperatures, abstention=abstention, speech_trust=fusion.match,
        voice_encoder=VoiceEncoder.shipped(),
    )  # fmt: skip
