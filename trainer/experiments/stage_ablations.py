"""What each part of Stages II and III is worth, on cached features.

Each features file is one seed of Stage I text; Stages II and III take its number as their own seed. Figures are of
MELD dev (text) and of composed dialogues with actors that no stage heard; mean and deviation over the seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch

from livemerc.emotions import LABELS
from livemerc.model.merits import ConversationModel
from trainer.compact import conversation as stages
from trainer.compact.compose import clip_pools
from trainer.compact.config import ConversationStage, FusionStage, read_stage
from trainer.compact.text_features import TextFeatures
from trainer.corpora.writings import WRITINGS, Writing
from trainer.experiments.results import Rows, over_seeds
from trainer.loop.fit import fit
from trainer.loop.metrics import classification_metrics

CONTEXTS = (1, 2, 4, 8, 16, 32)
LAGS: tuple[int | None, ...] = (0, 1, 2, 4, None)


def end_to_end(
    model: ConversationModel, text: TextFeatures, pools: dict, stage: FusionStage, out: Path
) -> dict[str, float]:
    """Trains Stages II and III at once from the fused loss alone, to compare with the paper's staging."""
    best = fit(stages.fused_stage("joint", model, model, text, pools, stage), out, stages.begun_with(stage, text))
    stages.lean_on_words(model.fusion, stage.words_share)
    return best


def stage_one_f1(text: TextFeatures, writing: Writing) -> float:
    """Weighted F1 of Stage I alone on MELD dev, from its cached logits."""
    logits = torch.from_numpy(text.arrays[f"dev_{writing}_logits"])
    return classification_metrics(logits.softmax(-1).numpy(), text.arrays["dev_labels"])["weighted_f1"]


def fused_figures(model: ConversationModel, text: TextFeatures, pools: dict, fusion: FusionStage) -> dict[str, float]:
    """Fused and each branch on composed dialogues (weighted F1) and on clips over neutral words (UAR)."""
    r = stages.report(model, text, pools["test"], fusion, seed=1)
    return {
        "composed": r["composed/fused"]["weighted_f1"], "composed_words": r["composed/text"]["weighted_f1"],
        "composed_voice": r["composed/speech"]["weighted_f1"],
        "clips": r["clips/fused"]["uar"], "clips_voice": r["clips/speech"]["uar"],
    }  # fmt: skip


def one_seed(seed: int, features: Path, speech: Path | None, config: Path, out: Path) -> Rows:
    """Figures of all variants with one seed; without `speech`, of those of the text. What is finished
    below `out` is not trained again."""
    conversation = msgspec.structs.replace(read_stage(config, "conversation", ConversationStage), seed=seed)
    fusion = msgspec.structs.replace(read_stage(config, "fusion", FusionStage), seed=seed)
    text = TextFeatures(features)

    def fresh() -> ConversationModel:
        return stages.build(conversation, fusion, text.width, len(LABELS))

    rows: Rows = {"Stage I": {w: stage_one_f1(text, w) for w in WRITINGS}}
    model = fresh()
    stages.train_text_context(model, text, conversation, out, len(LABELS))
    dev = stages.in_writings(text, "dev", len(LABELS))

    def words(context: int, lag: int | None) -> dict[str, float]:
        return {s: stages.figures(model, dev[s], context, "text", lag)["weighted_f1"] for s in dev}

    rows["Stage II"] = words(conversation.context, 0)
    rows |= {f"K = {k}": words(k, 0) for k in CONTEXTS}
    rows |= {f"R = {lag}" if lag is not None else "whole dialogue": words(conversation.context, lag) for lag in LAGS}
    if speech is None:
        return rows
    pools = clip_pools(speech, fusion.dev_actors, fusion.soften, fusion.nameless)
    stages.train_speech_context(model, text, pools, conversation, out)
    stage_two = {k: v.clone() for k, v in model.state_dict().items() if not k.startswith("fusion.")}

    def stage_three(name: str, stage: FusionStage) -> None:
        variant = fresh()
        variant.load_state_dict(stage_two, strict=False)
        stages.train_fusion(variant, text, pools, stage, out / name)
        rows[name] = fused_figures(variant, text, pools, stage)

    stage_three("staged", fusion)
    both_always = [1.0 - sum(fusion.mixture[3:]), 0.0, 0.0, *fusion.mixture[3:]]
    stage_three("no modality dropout", msgspec.structs.replace(fusion, mixture=both_always))
    joint = fresh()
    end_to_end(joint, text, pools, fusion, out / "end to end")
    rows["end to end"] = fused_figures(joint, text, pools, fusion)
    rows["end to end"] |= {s: stages.figures(joint, dev[s], conversation.context, "fused")["weighted_f1"] for s in dev}
    return rows


def run(features: Sequence[Path], speech: Path | None, config: Path, out: Path) -> list[str]:
    """All variants with every seed: the table. `speech`: the embeddings of Stage I speech; without, text alone."""
    return over_seeds(features, out, lambda seed, path, folder: one_seed(seed, path, speech, config, folder))
