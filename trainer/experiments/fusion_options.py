"""What the options of Stage III are worth that are off by default, on cached features.

Each features file is one seed of Stage I text; Stages II and III take its number as their own seed. Figures are
weighted F1 at lag 0 on composed dialogues of MELD dev with actors that no stage heard:

    clean, words        words and voices; the words alone, of the same dialogues
    corrupted           half of the voices are those of other utterances
    shuffled            clean, with every gate that of another utterance (with recursions alone)
    auroc confidence, auroc uncertainty
                        area under the ROC curve of error, corrupted, by 1 - confidence and by the latents' uncertainty
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from livemerc.emotions import LABELS
from livemerc.model.merits import ConversationModel
from trainer.compact import conversation as stages
from trainer.compact.compose import ClipPool, clip_pools, corrupted
from trainer.compact.config import ConversationStage, FusionStage, read_stage
from trainer.compact.text_features import TextFeatures
from trainer.experiments.results import Rows, over_seeds
from trainer.loop.metrics import classification_metrics
from trainer.loop.windows import DialogueFeatures, all_cuts, make_batch, without_speech

OPTIONS: dict[str, dict[str, float]] = {
    "none": {},
    "gated recursions": {"recursions": 2},
    "text-speech contrastive .1": {"contrastive": 0.1},
    "latent distributions .01": {"latent": 0.01},
}


@torch.inference_mode()
def judged(model: ConversationModel, dialogues: Sequence[DialogueFeatures], context: int) -> dict[str, np.ndarray]:
    """Each utterance as soon as it ends: probabilities (N, C), uncertainty (N,) where latents are distributions."""
    model.eval()
    probabilities, uncertainty = [], []
    for dialogue in dialogues:
        batch = make_batch([dialogue], all_cuts([dialogue], context))
        out = batch.forward(model)
        last = torch.arange(len(batch.lengths)), batch.lengths - 1
        probabilities.append(out.fused[last].softmax(-1))
        if out.latents is not None and out.latents.uncertainty is not None:
            uncertainty.append(out.latents.uncertainty[last])
    found = {"probabilities": torch.cat(probabilities).numpy()}
    return found | ({"uncertainty": torch.cat(uncertainty).numpy()} if uncertainty else {})


def figures(model: ConversationModel, clean: Sequence[DialogueFeatures], context: int, seed: int) -> dict[str, float]:
    """The row of one trained model."""
    truth = np.concatenate([d.labels for d in clean])

    def weighted_f1(dialogues: Sequence[DialogueFeatures]) -> float:
        return classification_metrics(judged(model, dialogues, context)["probabilities"], truth, LABELS)["weighted_f1"]

    spoiled = corrupted(clean, stages.CORRUPTED, np.random.default_rng(seed))
    found = judged(model, spoiled, context)
    wrong = found["probabilities"].argmax(1) != truth
    row = {
        "clean": weighted_f1(clean),
        "words": weighted_f1([without_speech(d) for d in clean]),
        "corrupted": classification_metrics(found["probabilities"], truth, LABELS)["weighted_f1"],
        "auroc confidence": auroc(wrong, 1 - found["probabilities"].max(1)),
    }
    if "uncertainty" in found:
        row["auroc uncertainty"] = auroc(wrong, found["uncertainty"])
    if model.fusion.recursive is not None:
        model.fusion.recursive.shuffle = True
        row["shuffled"] = weighted_f1(clean)
        model.fusion.recursive.shuffle = False
    return row


def auroc(wrong: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve of error against the score; .5 where all are wrong or none is: no score tells."""
    return float(roc_auc_score(wrong, score)) if 0 < wrong.sum() < len(wrong) else 0.5


def one_seed(seed: int, features: Path, pools: dict[str, ClipPool], config: Path, out: Path) -> Rows:
    """All options on the same Stage II. What is finished below `out` is not trained again."""
    conversation = msgspec.structs.replace(read_stage(config, "conversation", ConversationStage), seed=seed)
    fusion = msgspec.structs.replace(read_stage(config, "fusion", FusionStage), seed=seed)
    text = TextFeatures(features)
    model = stages.build(conversation, fusion, text.width, len(LABELS))
    stages.train_text_context(model, text, conversation, out, len(LABELS))
    stages.train_speech_context(model, text, pools, conversation, out)
    stage_two = {k: v.clone() for k, v in model.state_dict().items() if not k.startswith("fusion.")}
    clean = stages.dev_conditions(text, pools["test"], fusion, seed=1)["composed"]
    rows: Rows = {}
    for name, changes in OPTIONS.items():
        stage = msgspec.structs.replace(fusion, **changes)
        variant = stages.build(conversation, stage, text.width, len(LABELS))
        variant.load_state_dict(stage_two, strict=False)
        stages.train_fusion(variant, text, pools, stage, out / name.replace(" ", "-"))
        rows[name] = figures(variant, clean, stage.context, seed)
    return rows


def run(features: Sequence[Path], speech: Path, config: Path, out: Path) -> list[str]:
    """All options with every seed: the table. `speech`: the embeddings of Stage I speech."""
    fusion = read_stage(config, "fusion", FusionStage)
    pools = clip_pools(speech, fusion.dev_actors, fusion.soften, fusion.nameless)
    return over_seeds(features, out, lambda seed, path, folder: one_seed(seed, path, pools, config, folder))
