"""A finished run of the full-size recipe: its table, and its checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import torch

from livemerc.errors import ConfigError
from livemerc.model.calibration import Temperatures
from livemerc.model.checkpoint import Manifest
from livemerc.model.merits import ConversationModel
from livemerc.model.speech_head import SpeechHead
from livemerc.model.text import TextEncoder
from trainer.loop.saving import load_state
from trainer.merits_l.config import FullConfig, read_full_config
from trainer.merits_l.text import load_text

STAGES = ("pretrain", "text", "speech", "conversation", "fusion")
FOLDERS = {"conversation": ("conversation-text", "conversation-speech")}
"""Folders of a stage that has not one of its own name."""


def summary(out: Path) -> list[str]:
    """What is trained so far: parameters that each stage trains, those frozen below it, and dev weighted F1."""
    records = {
        name: json.loads((out / name / "stage.json").read_text())
        for name in (s for stage in STAGES for s in FOLDERS.get(stage, (stage,)))
        if (out / name / "stage.json").exists()
    }
    trained = {name: record["trained"] for name, record in records.items()}
    front = records.get("speech", {}).get("front_parameters", 0)
    below = {
        "pretrain": 0, "text": 0, "speech": front, "conversation-text": trained.get("text", 0),
        "conversation-speech": front + trained.get("speech", 0),
        "fusion": front + sum(v for k, v in trained.items() if k not in ("pretrain", "fusion")),
    }  # fmt: skip
    lines = [f"{'stage':22}{'trained':>14}{'frozen below':>14}{'dev weighted F1':>17}"]
    for name, record in records.items():
        lines.append(f"{name:22}{trained[name]:>14,}{below[name]:>14,}{record['best']['weighted_f1']:>17.4f}")
    for name, figures in records.get("fusion", {}).get("dev", {}).items():
        lines.append(f"dev, {name:25} weighted F1 {figures['weighted_f1']:.4f}  UAR {figures['uar']:.4f}")
    return lines


def export_full_run(config: Path, runs: Path, out: Path, name: str) -> Manifest:
    """The checkpoint of a finished run. Raises `ConfigError` where a stage is missing or the front end is another one
    than the run's, or cannot be stored."""
    from trainer.fronts.encoders import build_speech_frontend
    from trainer.merits_l.checkpoint import export_full

    settings = read_full_config(config)
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
    return export_full(
        out,
        checkpoint_id=name,
        labels=model["labels"],
        prior=model["prior"],
        text=text,
        tokenizer=_tokenizer(runs / "text" / "tokenizer.json"),
        front=front,
        head=head,
        conversation=conversation,
        origins=_origins(settings, front.name),
        temperatures=msgspec.convert(model["temperatures"], Temperatures),
    )


def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


def _origins(settings: FullConfig, front_name: str) -> Any:
    """Whose data the weights hold. The licence is the corpus owner's to say, so it is not guessed."""
    from trainer.merits_l.checkpoint import Origin, Origins

    corpus = settings.corpus.name
    own = Origin(licence=f"as the licence of {corpus} allows", data=[corpus])
    front = Origin(licence=f"as the licence of {front_name} allows", data=[front_name])
    return Origins(text=own, speech=own, speech_front=front, fusion=own)
