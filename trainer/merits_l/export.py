"""What of a finished full-size run goes into its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from torch import nn

from livemerc.errors import ConfigError
from livemerc.model.checkpoint import Abstention, Manifest, pack_state
from livemerc.model.frozen_speech import FrozenSpeech, front_config
from livemerc.model.merits import ConversationModel
from livemerc.model.speech_head import FrozenSpeechBranch, SpeechHead
from livemerc.model.temperatures import Temperatures
from livemerc.model.text import TextEncoder
from trainer.loop.checkpoint_folder import Origin, Weights, write_checkpoint_folder
from trainer.loop.saving import load_state
from trainer.merits_l.config import MeritsLConfig, read_config
from trainer.merits_l.stages import STAGES
from trainer.merits_l.text import load_text


def export_run(config: Path, runs: Path, out: Path, name: str) -> Manifest:
    """The checkpoint of a finished run. Raises `ConfigError` where a stage is missing or the front end is another one
    than the run's, or cannot be stored."""
    from tokenizers import Tokenizer

    from trainer.fronts.encoders import build_speech_frontend

    settings = read_config(config)
    for stage in (*STAGES[1:3], "fusion"):
        if not (runs / stage / "stage.json").exists():
            raise ConfigError(
                f"{runs / stage}: not finished; run `livemerc-train train {config} --out {runs} --stage {stage}` first."
            )
    model = json.loads((runs / "fusion" / "model.json").read_text())
    text = TextEncoder(json.loads((runs / "text" / "encoder.json").read_text()))
    load_text(text, load_state(runs / "text" / "text.best.pt"))
    head = SpeechHead(json.loads((runs / "speech" / "head.json").read_text()))
    state = load_state(runs / "speech" / "speech.best.pt")
    head.load_state_dict({k.removeprefix("head."): v for k, v in state.items() if k.startswith("head.")})
    conversation = ConversationModel(model["config"])
    conversation.load_state_dict(load_state(runs / "fusion" / "conversation.pt"))
    torch.manual_seed(settings.run.seed)  # where the front end has random weights, they are the run's
    front = build_speech_frontend(settings.speech.front, weights=settings.speech.weights)
    if front.fingerprint != json.loads((runs / "speech" / "stage.json").read_text())["front"]:
        raise ConfigError(f"{settings.speech.front}: other weights than those the run was trained on; restore them.")
    return write_checkpoint(
        out,
        checkpoint_id=name,
        labels=model["labels"],
        prior=model["prior"],
        text=text,
        tokenizer=Tokenizer.from_file(str(runs / "text" / "tokenizer.json")),
        front=front,
        head=head,
        conversation=conversation,
        origins=_origins(settings, front.name),
        temperatures=msgspec.convert(model["temperatures"], Temperatures),
    )


def _origins(settings: MeritsLConfig, front_name: str) -> dict[str, Origin]:
    """Whose data the weights of each part hold. The licence is the corpus owner's to say, so it is not guessed."""
    corpus = settings.corpus.name
    own = Origin(licence=f"as the licence of {corpus} allows", data=[corpus])
    front = Origin(licence=f"as the licence of {front_name} allows", data=[front_name])
    return {"text": own, "speech": own, "speech_front": front, "fusion": own}


def write_checkpoint(
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
    origins: Mapping[str, Origin],
    temperatures: Temperatures,
    s1: Literal["logits", "embedding"] = "embedding",
    half: bool = True,
) -> Manifest:
    """Writes `out` (made if need be) and returns its manifest.

    `labels`, `prior` (shares, summing to 1) in the order of the logits; `tokenizer`: a `tokenizers.Tokenizer`;
    `origins`: of "text", "speech", "speech_front" and "fusion";
    `s1`: what Stage II speech was trained on; `half`: float16 weights (half the room; T1 and S1 move by about 1e-3),
    else float32.

    Raises `ConfigError` (exit 2) where the parts do not fit one another or the front end cannot be stored (CARE),
    `LivemercError` (exit 6) on a full disk.
    """
    try:
        FrozenSpeechBranch(front, head)
        stored_front = front_config(front)
    except ValueError as error:
        raise ConfigError(f"{error}; choose another speech front end for a checkpoint that runs live.") from error
    speech_width = len(labels) if s1 == "logits" else head.dimension
    _fits("labels of the text encoder", text.config["labels"], len(labels))
    _fits("labels of the speech head", head.config["labels"], len(labels))
    _fits("labels of Stages II and III", conversation.config["labels"], len(labels))
    _fits("shares of the prior", len(prior), len(labels))
    _fits("width of Stage II text", conversation.config["text"]["width"], text.dimension)
    _fits("width of Stage II speech", conversation.config["speech"]["width"], speech_width)
    networks: dict[str, tuple[nn.Module, dict[str, Any]]] = {
        "text": (text, text.config), "speech": (head, head.config), "speech_front": (front, stored_front),
        "fusion": (conversation, conversation.config),
    }  # fmt: skip
    parts = {
        name: Weights(pack_state(network.state_dict(), half=half), config, origins[name])
        for name, (network, config) in networks.items()
    }
    return write_checkpoint_folder(
        out, parts, tokenizer.to_str().encode(), id=checkpoint_id, labels=list(labels),
        prior=[float(p) for p in prior], temperatures=temperatures, abstention=Abstention(), speech_trust=1.0, s1=s1,
    )  # fmt: skip


def _fits(what: str, value: int, wanted: int) -> None:
    if value != wanted:
        raise ConfigError(
            f"{what}: {value}, where the rest of the checkpoint has {wanted}; export what was trained together."
        )
