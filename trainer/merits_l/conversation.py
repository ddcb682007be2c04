"""Stage II and Stage III on frozen embeddings. What one stage trains, the next one freezes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from livemerc.model.merits import ConversationModel
from trainer.loop.fit import fit
from trainer.loop.losses import ExtraTerms, window_loss
from trainer.loop.stage import LoopOptions
from trainer.loop.windows import DialogueFeatures, WindowBatch, batches, judge, random_cuts
from trainer.merits_l.config import ConversationSection, FusionSection, MeritsLConfig, RunSection
from trainer.merits_l.data import class_weights, dev_figures, make_stage

Modality = Literal["text", "speech"]
Field = Literal["fused", "text", "speech"]


@dataclass(frozen=True, slots=True)
class Dialogues:
    train: Sequence[DialogueFeatures]
    dev: Sequence[DialogueFeatures]


def build(config: MeritsLConfig, text_width: int, speech_width: int, labels: int) -> ConversationModel:
    """Stages II and III, freshly drawn from the run's seed."""
    torch.manual_seed(config.run.seed)

    def branch(width: int, section: ConversationSection) -> dict[str, int | float]:
        return {"width": width, "hidden": section.hidden, "layers": section.layers, "heads": section.heads,
                "dropout": section.dropout}  # fmt: skip

    fusion = config.fusion
    return ConversationModel(
        {
            "text": branch(text_width, config.conversation.text),
            "speech": branch(speech_width, config.conversation.speech),
            "fusion": {"width": fusion.width, "heads": fusion.heads, "dropout": fusion.dropout},
            "labels": labels,
        }
    )


def figures(
    model: ConversationModel,
    dialogues: Sequence[DialogueFeatures],
    context: int,
    field: Field,
    lag: int | None = 0,
) -> dict[str, float]:
    """Dev figures of one output. A branch counts only where its modality is there. `lag` None = whole dialogues."""
    logits = torch.cat([getattr(w, field) for w in judge(model, dialogues, context, lag)])
    truth = np.concatenate([d.labels for d in dialogues])
    if field != "fused":
        there = np.concatenate([d.has_text if field == "text" else d.has_speech for d in dialogues])
        truth = np.where(there, truth, -1)
    return dev_figures(logits, truth)


def _fit(
    name: str,
    module: nn.Module,
    field: Field,
    model: ConversationModel,
    dialogues: Dialogues,
    section: ConversationSection | FusionSection,
    run: RunSection,
    loss: Callable[[WindowBatch], Tensor],
    out: Path,
    options: LoopOptions,
) -> dict[str, float]:
    """Trains `module`, a part of `model`, by `loss`; selected on dev by `field` at lag 0, as the monitor runs."""

    def make(rng: np.random.Generator) -> Iterable[WindowBatch]:
        cuts = random_cuts(dialogues.train, run.context, run.windows, rng)
        return batches(dialogues.train, cuts, section.batch, rng)

    def evaluate() -> dict[str, float]:
        whole = figures(model, dialogues.dev, run.context, field, None)["weighted_f1"]
        return {**figures(model, dialogues.dev, run.context, field, 0), "weighted_f1_whole": whole}

    count = math.ceil(sum(1 + min(run.windows, len(d)) for d in dialogues.train) / section.batch)
    return fit(make_stage(name, module, section, run.seed, make, loss, evaluate, count), out, options)


def train_conversation(
    model: ConversationModel,
    modality: Modality,
    dialogues: Dialogues,
    section: ConversationSection,
    run: RunSection,
    out: Path,
    options: LoopOptions,
) -> dict[str, float]:
    """Stage II of one modality: trains that network of `model` alone."""
    network = model.text_context if modality == "text" else model.speech_context
    device = next(model.parameters()).device
    labels = np.concatenate([d.labels for d in dialogues.train])
    weights = class_weights(section, labels, model.config["labels"], device)
    torch.manual_seed(run.seed)
    extra = ExtraTerms(network.width, section.contrastive, section.contrastive_temperature, section.sentiment)
    extra = extra.to(device)

    def loss_of(batch: WindowBatch) -> Tensor:
        b = batch.to(device)
        x, there = (b.t1, b.has_text) if modality == "text" else (b.s1, b.has_speech)
        states, logits = network(x, there, b.lengths)
        loss = window_loss(logits, b, there, weights, section.label_smoothing)
        return loss + extra(states[there], b.labels[there], b.sentiments[there])

    module = nn.ModuleDict({"network": network, "extra": extra})
    name = f"conversation-{modality}"
    return _fit(name, module, modality, model, dialogues, section, run, loss_of, out, options)


def drop_modalities(batch: WindowBatch, share: float) -> WindowBatch:
    """Each window loses its words or its voice, equally often, with chance `share`; nothing loses its only modality.

    Drawn from torch's generator, which a resumed run restores.
    """
    if not share:
        return batch
    draw = torch.rand(len(batch.lengths), 1)
    lose_text = (draw < share / 2) & batch.has_speech
    lose_speech = (draw >= share / 2) & (draw < share) & batch.has_text
    has_text, has_speech = batch.has_text & ~lose_text, batch.has_speech & ~lose_speech
    return replace(
        batch, has_text=has_text, has_speech=has_speech, t1=batch.t1 * has_text[..., None],
        s1=batch.s1 * has_speech[..., None],
    )  # fmt: skip


def train_fusion(
    model: ConversationModel,
    dialogues: Dialogues,
    section: FusionSection,
    run: RunSection,
    out: Path,
    options: LoopOptions,
) -> dict[str, float]:
    """Stage III: trains the fusion alone, Stage II frozen and without dropout."""
    device = next(model.parameters()).device
    frozen = (model.text_context, model.speech_context)
    for network in frozen:
        network.requires_grad_(False)
    labels = np.concatenate([d.labels for d in dialogues.train])
    weights = class_weights(section, labels, model.config["labels"], device)

    def loss_of(batch: WindowBatch) -> Tensor:
        b = drop_modalities(batch, section.modality_dropout).to(device)
        for network in frozen:
            network.eval()
        with torch.no_grad():
            t2, text_logits = model.text_context(b.t1, b.has_text, b.lengths)
            s2, speech_logits = model.speech_context(b.s1, b.has_speech, b.lengths)
        fused = model.fusion(t2, s2, text_logits, speech_logits, b.has_text, b.has_speech, b.lengths)
        return window_loss(fused, b, b.has_text | b.has_speech, weights, section.label_smoothing)

    return _fit("fusion", model.fusion, "fused", model, dialogues, section, run, loss_of, out, options)
