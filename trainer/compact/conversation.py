"""Stages II and III of the compact model on frozen Stage I features. What one stage trains, the next one freezes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from livemerc.emotions import LABELS
from livemerc.errors import ConfigError
from livemerc.model.fusion import CoAttention
from livemerc.model.merits import ConversationModel, WindowLogits
from trainer.compact.compose import (
    ClipPool,
    TextDialogue,
    clip_pools,
    compose,
    corrupted,
    neutral_words,
    voices_alone,
)
from trainer.compact.config import ConversationStage, FusionStage, read_stage
from trainer.compact.text_features import TextFeatures
from trainer.corpora.writings import WRITINGS, Writing
from trainer.loop.fit import fit
from trainer.loop.losses import text_speech_contrastive, window_loss
from trainer.loop.metrics import classification_metrics
from trainer.loop.saving import save_json, save_state
from trainer.loop.stage import LoopOptions, Phase, Stage, adamw
from trainer.loop.windows import (
    DialogueFeatures,
    WindowBatch,
    all_cuts,
    batches,
    judge,
    without_speech,
    without_text,
)

TEXT_WIDTH = 384
"""Width of T1 from all-MiniLM-L6-v2."""
LONGEST_STRETCH = 32
STRETCH = 2, 12
"""Utterances that a reader reads in a row, the second left out."""
CORRUPTED = 0.5
"""Share of voices that are others', in the report."""
T = TypeVar("T")


def text_alone(words: Sequence[TextDialogue], width: int) -> list[DialogueFeatures]:
    return [
        DialogueFeatures(w.t1, np.zeros((len(w.labels), width), np.float32), np.ones(len(w.labels), bool),
                         np.zeros(len(w.labels), bool), w.labels, soft=w.soft)
        for w in words
    ]  # fmt: skip


def figures(
    model: ConversationModel, dialogues: Sequence[DialogueFeatures], context: int, field: str, lag: int | None = 0
) -> dict:
    """Metrics (uncalibrated) of one output field over all dialogues."""
    logits = torch.cat([getattr(w, field) for w in judge(model, dialogues, context, lag)])
    truth = np.concatenate([d.labels for d in dialogues])
    return classification_metrics(logits.softmax(-1).numpy(), truth, LABELS)


def window_stage(
    name: str,
    module: nn.Module,
    settings: ConversationStage | FusionStage,
    make: Callable[[np.random.Generator], Iterable[WindowBatch]],
    loss: Callable[[WindowBatch], Tensor],
    evaluate: Callable[[], dict[str, float]],
    select: Sequence[str],
) -> Stage[WindowBatch]:
    """A stage over windows of dialogues, as `settings` say."""
    return Stage(
        name=name, module=module, phases=[Phase(settings.epochs, make, adamw(settings.lr))], loss=loss,
        evaluate=evaluate, select=select, seed=settings.seed, patience=settings.patience, average=settings.average,
    )  # fmt: skip


def begun_with(settings: ConversationStage | FusionStage, text: TextFeatures, **more: Any) -> LoopOptions:
    """A run goes on only with the same settings and features. Shares that are given to what is learnt are not its."""
    shares = ("stage1_share", "words_share")
    own = {key: value for key, value in msgspec.to_builtins(settings).items() if key not in shares}
    return LoopOptions(begun_with=own | {"features": text.sha256} | more)


def in_writings(text: TextFeatures, split: str, speech_width: int) -> dict[Writing, list[DialogueFeatures]]:
    """MELD's dialogues without voices, in each writing."""
    return {w: text_alone(text.dialogues(split, w), speech_width) for w in WRITINGS}


def draw_writings(
    dialogues: Mapping[Writing, Sequence[T]], shares: Sequence[float], rng: np.random.Generator
) -> list[T]:
    """Each dialogue in one writing, by chance."""
    count = len(dialogues["whisper"])
    drawn = rng.choice(len(WRITINGS), size=count, p=shares)
    return [dialogues[WRITINGS[w]][d] for d, w in enumerate(drawn)]


def read_aloud(text: TextFeatures, speech_width: int, rng: np.random.Generator) -> DialogueFeatures:
    """One to four of LJSpeech's sentences, neutral: prose that is read, of which MELD's dialogues have none."""
    rows = text.read_sentences
    t1 = rows[rng.integers(len(rows), size=int(rng.integers(1, 5)))]
    labels = np.zeros(len(t1), np.int64)
    soft = np.eye(len(LABELS), dtype=np.float32)[labels] if text.has_teacher else None
    (dialogue,) = text_alone([TextDialogue(t1, labels, ["a"] * len(t1), soft)], speech_width)
    return dialogue


def train_text_context(
    model: ConversationModel, text: TextFeatures, stage: ConversationStage, out: Path, speech_width: int
) -> dict[str, float]:
    """Stage II, text: on MELD in all writings, from its labels and the teacher's; selected at lag 0."""
    train, dev = (in_writings(text, split, speech_width) for split in ("train", "dev"))
    if stage.soft_share and not text.has_teacher:
        raise ConfigError("[conversation] soft_share wants a teacher that reads lines in context; set it to 0.")

    def make(rng: np.random.Generator) -> Iterable[WindowBatch]:
        chosen = draw_writings(train, stage.writings, rng)
        chosen += [read_aloud(text, speech_width, rng) for _ in range(round(stage.reading * len(chosen)))]
        return batches(chosen, all_cuts(chosen, stage.context), stage.batch * 4, rng)

    def score() -> dict[str, float]:
        return {w: figures(model, d, stage.context, "text")["weighted_f1"] for w, d in dev.items()}

    # `text_context.forward` alone: the other networks are not trained here.
    def loss(b: WindowBatch) -> Tensor:
        logits = model.text_context(b.t1, b.has_text, b.lengths)[1]
        return window_loss(logits, b, b.has_text, soft_share=stage.soft_share)

    plan = window_stage("text", model.text_context, stage, make, loss, score, stage.select_text)
    return fit(plan, out, begun_with(stage, text))


def balanced(rng: np.random.Generator) -> TextDialogue:
    """A stretch with every class equally likely, without words: half of them of one to four utterances, half longer."""
    count = int(rng.integers(1, 5) if rng.random() < 0.5 else rng.integers(5, LONGEST_STRETCH + 1))
    labels = rng.integers(len(LABELS), size=count)
    return TextDialogue(np.zeros((len(labels), TEXT_WIDTH), np.float32), labels, ["a"] * len(labels))


def train_speech_context(
    model: ConversationModel, text: TextFeatures, pools: dict[str, ClipPool], stage: ConversationStage, out: Path
) -> dict[str, float]:
    """Stage II, speech: voices of actors set apart along MELD's courses of emotion, singly and in dialogues."""
    train = text.dialogues("train", "whisper")
    fixed = np.random.default_rng(stage.seed)
    dev = [voices_alone(w, pools["dev"], fixed) for w in text.dialogues("dev", "whisper")]

    def make(rng: np.random.Generator) -> Iterable[WindowBatch]:
        dialogues = [voices_alone(w, pools["train"], rng) for w in train]
        # Stretches with all classes alike are added: MELD's shares (47 % neutral) and courses are not those of every
        # room. While they were four utterances at most, clips in a random row were called neutral (trainer/LOG.md).
        dialogues += [voices_alone(balanced(rng), pools["train"], rng) for _ in range(2 * len(train))]
        cuts = all_cuts(dialogues, stage.context)
        # A third of the windows start in the middle: short contexts are as common live as in these dialogues.
        cuts = [
            c if rng.random() > 0.33 else type(c)(c.dialogue, int(rng.integers(c.start, c.end)), c.end) for c in cuts
        ]
        return batches(dialogues, cuts, stage.batch * 4, rng)

    def score() -> dict[str, float]:
        f = figures(model, dev, stage.context, "speech")
        return {"weighted_f1": f["weighted_f1"], "uar": f["uar"]}

    def loss(b: WindowBatch) -> Tensor:
        return window_loss(model.speech_context(b.s1, b.has_speech, b.lengths)[1], b, b.has_speech)

    plan = window_stage("speech", model.speech_context, stage, make, loss, score, stage.select_speech)
    return fit(plan, out, begun_with(stage, text, selected_with=model.stage1_share))


class Composer:
    """The dialogues of one epoch of Stage III, drawn anew each time."""

    def __init__(self, text: TextFeatures, pools: dict[str, ClipPool], stage: FusionStage):
        self.text, self.pools, self.stage = text, pools, stage
        self.words = {w: text.dialogues("train", w) for w in WRITINGS}
        # MELD's own neutral lines are not used: in composed dialogues they are neutral under any voice, and fusion
        # learnt neither. RAVDESS's two sentences stay unseen, because the figures on clips are measured with them.
        self.neutral, self.everyday = text.read_sentences, text.everyday_sentences
        actors = pools["train"].actor.astype(str)
        self.readers = pools["train"].only(np.char.startswith(actors, "readers/"), stage.soften)
        if (stage.reading or stage.stretches) and not len(self.readers.label):
            raise ConfigError(
                "[fusion] reading and stretches want readers that the head never heard (part B) and there are none; "
                "set them to 0."
            )

    def draw(self, rng: np.random.Generator) -> list[DialogueFeatures]:
        out = []
        pool = self.pools["train"]
        for words in draw_writings(self.words, self.stage.writings, rng):
            kind = rng.choice(5, p=self.stage.mixture)
            if kind == 0:  # words and voices
                out.append(compose(words, pool, self.stage.match, 0.05, rng))
            elif kind == 1:  # words alone
                out.append(without_speech(compose(words, pool, 1.0, 1.0, rng)))
            elif kind == 2:  # voices alone, half of them with all classes alike
                if rng.random() < 0.5:
                    words = TextDialogue(words.t1, rng.integers(len(LABELS), size=len(words.labels)), words.speakers)
                out.append(voices_alone(words, pool, rng))
            elif kind == 3:  # voices over neutral words, the dialogue's course, or a reader's stretch
                if self.stage.stretches and rng.random() < self.stage.stretches:
                    neutral = np.zeros(int(rng.integers(*STRETCH)), np.int64)
                    out.append(neutral_words(self.neutral, neutral, self.readers, 0.1, rng))
                else:
                    out.append(neutral_words(self._neutral(rng), words.labels, pool, 0.1, rng))
            else:  # one utterance at a time, voices over neutral words; mostly with all classes alike
                for label in [*rng.choice(words.labels, size=2), *rng.integers(len(LABELS), size=4)]:
                    out.append(neutral_words(self._neutral(rng), np.array([label]), pool, 0.0, rng))
                for _ in range(int(self.stage.reading) + int(rng.random() < self.stage.reading % 1)):
                    out.append(neutral_words(self.neutral, np.zeros(1, np.int64), self.readers, 0.0, rng))
        return out

    def _neutral(self, rng: np.random.Generator) -> np.ndarray:
        """Words for voices that act."""
        return self.everyday if rng.random() < self.stage.everyday else self.neutral


def train_fusion(
    model: ConversationModel, text: TextFeatures, pools: dict[str, ClipPool], stage: FusionStage, out: Path
) -> dict[str, float]:
    """Stage III, Stage II frozen; selected on the mean of words, composed dialogues, voices over neutral words. Then it
    leans on the words: had it learnt so, it would have made up for that."""
    frozen = (model.text_context, model.speech_context)
    for part in frozen:
        part.requires_grad_(False)
    best = fit(
        fused_stage("fusion", model, model.fusion, text, pools, stage, frozen),
        out,
        begun_with(stage, text, stage1_share=model.stage1_share),
    )
    lean_on_words(model.fusion, stage.words_share)
    return best


@torch.no_grad()
def lean_on_words(fusion: CoAttention, share: float) -> None:
    """Where both are there, `share` of the log-probabilities becomes the words' alone: the logarithmic opinion pool of
    fusion and its text branch (Genest and Zidek 1986, "Combining Probability Distributions", Statistical Science 1).

    The network stays what it is, with other weights: it adds the words' log-probabilities as they are.
    """
    for parameter in (*fusion.head.parameters(), fusion.branch_weight):
        parameter.mul_(1 - share)
    fusion.branch_weight[0] += share


def fused_stage(
    name: str,
    model: ConversationModel,
    module: nn.Module,
    text: TextFeatures,
    pools: dict[str, ClipPool],
    stage: FusionStage,
    frozen: Sequence[nn.Module] = (),
) -> Stage[WindowBatch]:
    """`module`, a part of `model`, learns from the fused loss alone, on dialogues composed anew each epoch."""
    composer = Composer(text, pools, stage)
    conditions = dev_conditions(text, pools["dev"], stage, stage.seed)

    def make(rng: np.random.Generator) -> Iterable[WindowBatch]:
        dialogues = composer.draw(rng)
        for part in frozen:
            part.eval()
        return batches(dialogues, all_cuts(dialogues, stage.context), stage.batch * 4, rng)

    def score() -> dict[str, float]:
        return {k: figures(model, d, stage.context, "fused")["weighted_f1"] for k, d in conditions.items()}

    def loss(b: WindowBatch) -> Tensor:
        out = b.forward(model)
        return window_loss(out.fused, b, b.has_text | b.has_speech) + fusion_terms(out, b, stage)

    return window_stage(name, module, stage, make, loss, score, stage.select)


def fusion_terms(out: WindowLogits, b: WindowBatch, stage: FusionStage) -> Tensor:
    """The terms of Stage III that are off by default, a scalar. That between words and voice is over the last
    utterances of the windows alone: further back an utterance stands in several, and would be its own opposite."""
    assert out.latents is not None
    total = out.fused.new_zeros(())
    if stage.contrastive:
        newest = b.has_text & b.has_speech & (b.lag == 0)
        pairs = out.latents.text[newest], out.latents.speech[newest]
        total = total + stage.contrastive * text_speech_contrastive(*pairs, stage.contrastive_temperature)
    if out.latents.divergence is not None:
        there = b.has_text | b.has_speech
        total = total + stage.latent * out.latents.divergence[there].mean()
    return total


def dev_conditions(
    text: TextFeatures, pool: ClipPool, stage: FusionStage, seed: int
) -> dict[str, list[DialogueFeatures]]:
    """The conditions by which fusion is judged, of one pool of actors: drawn once with `seed`."""
    rng = np.random.default_rng(seed)
    words = text.dialogues("dev", "whisper")
    composed = [compose(w, pool, stage.match, 0.0, rng) for w in words]
    ravdess = text.arrays["neutral"][text.arrays["neutral_is_ravdess"]]
    # Clips by themselves: each is one dialogue, with the classes as the actors recorded them.
    clips = [
        DialogueFeatures(ravdess[i % len(ravdess)][None], pool.s1[i][None], np.ones(1, bool), np.ones(1, bool),
                         pool.label[i][None])
        for i in range(len(pool.label))
    ]  # fmt: skip
    return {"words": text_alone(words, pool.s1.shape[1]), "composed": composed, "clips": clips}


def report(
    model: ConversationModel, text: TextFeatures, pool: ClipPool, stage: FusionStage, seed: int
) -> dict[str, dict[str, float]]:
    """Fused against each branch, weighted F1, UAR and ECE at lag 0: composed dialogues with voices that are cold, that
    warm, and of which half are others'; clips with neutral words."""
    cold = dev_conditions(text, pool.all_nameless(), stage, seed)
    warm = dev_conditions(text, pool, stage, seed)["composed"]
    spoiled = corrupted(warm, CORRUPTED, np.random.default_rng(seed))
    rows: dict[str, dict[str, float]] = {}
    conditions = {"composed": cold["composed"], "warm": warm, "corrupted": spoiled, "clips": cold["clips"]}
    for name, dialogues in conditions.items():
        variants = {
            "fused": dialogues,
            "text": [without_speech(d) for d in dialogues],
            "speech": [without_text(d) for d in dialogues],
        }
        for branch, d in variants.items():
            f = figures(model, d, stage.context, "fused")
            rows[f"{name}/{branch}"] = {k: f[k] for k in ("weighted_f1", "uar", "ece")}
        rows[f"{name}/speech_head"] = {
            k: figures(model, dialogues, stage.context, "speech")[k] for k in ("weighted_f1", "uar")
        }
    return rows


def build(
    conversation: ConversationStage, fusion: FusionStage, text_width: int, speech_width: int
) -> ConversationModel:
    torch.manual_seed(conversation.seed)
    options: dict[str, Any] = {}  # none but those that are on, so that a checkpoint without them is what it was
    if fusion.recursions:
        options |= {"recursions": fusion.recursions, "gate_temperature": fusion.gate_temperature}
    if fusion.latent:
        options["latent"] = True
    branch = {"hidden": conversation.hidden, "heads": conversation.heads, "dropout": conversation.dropout}
    return ConversationModel(
        {
            "text": {"width": text_width, **branch},
            "speech": {"width": speech_width, **branch, "hidden": conversation.hidden // 2, "normalise": False},
            "fusion": {"width": fusion.width, "heads": fusion.heads, "dropout": fusion.dropout, **options},
            "labels": len(LABELS),
            "stage1_share": conversation.stage1_share,
        }
    )


def train(config: Path, text_features: Path, embeddings: Path, out: Path) -> None:
    """Stage II text, Stage II speech, Stage III, then the report on actors that no stage heard: `conversation.pt` and
    `figures.json` in `out`."""
    conversation = read_stage(config, "conversation", ConversationStage)
    fusion = read_stage(config, "fusion", FusionStage)
    text = TextFeatures(text_features)
    model = build(conversation, fusion, text.width, len(LABELS))
    pools = clip_pools(embeddings, fusion.dev_actors, fusion.soften, fusion.nameless)
    kept: dict[str, Any] = {
        "text": train_text_context(model, text, conversation, out, len(LABELS)),
        "speech": train_speech_context(model, text, pools, conversation, out),
        "fusion": train_fusion(model, text, pools, fusion, out),
        "report": report(model, text, pools["test"], fusion, seed=1),
    }
    save_state(model.state_dict(), out / "conversation.pt")
    save_json({"config": model.config, **kept}, out / "figures.json")
