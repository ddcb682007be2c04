"""Stage I, text: fine-tunes an encoder on lines in the writings that it will meet. Teacher and student alike."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from livemerc.emotions import LABELS
from livemerc.model.quantise import quantise_rows
from livemerc.model.text import TextEncoder, load_tokenizer
from trainer.compact.config import TextCorpus, TextStage
from trainer.compact.soft_labels import SoftLabels
from trainer.compact.text_lines import Line, Reading, read_lines, tokenize
from trainer.corpora.writings import WRITINGS, Confusions, Writing, read_confusions, writer
from trainer.fronts.encoders import build_text_encoder
from trainer.loop.fit import fit
from trainer.loop.metrics import classification_metrics
from trainer.loop.saving import load_state, save_json
from trainer.loop.stage import LoopOptions, Phase, Stage, adamw, warm_up_then_down

TOKENIZER = "tokenizer.json"
NEW = re.compile(r"heads\.|encoder\.(fc|head)\.")
"""Layers that begin at zero. AdamW moves a weight by its rate a step, so at an encoder's rate they never arrive."""
SMALL_WIDTH = 384
"""Encoders up to this width ship, with the table of words as int8 rows."""
_BERT_KEYS = frozenset(
    {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
     "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id"}
)  # fmt: skip


def build_encoder(init: str) -> tuple[TextEncoder, Any]:
    """The encoder at its starting point and its `tokenizers.Tokenizer`. `init`: "minilm" or a local folder.

    The table of words is frozen: the corpora hold a tenth of its words. One that ships does so as int8 rows; it is
    rounded here, because the rest of the network then learns around it. Raises `ModelError`.
    """
    encoder, tokenizer = build_text_encoder(init)
    if encoder.config.get("model_type") == "bert":
        # Without `model_type` the monitor builds its own BERT, and need not import transformers.
        encoder.config = {k: v for k, v in encoder.config.items() if k in _BERT_KEYS} | {"labels": len(LABELS)}
    table = encoder.encoder.embeddings.word_embeddings
    if encoder.dimension <= SMALL_WIDTH:
        scale, values = quantise_rows(table.weight.detach())
        table.weight.data = values.float() * scale
    table.weight.requires_grad_(False)
    nn.init.zeros_(encoder.head.weight)
    nn.init.zeros_(encoder.head.bias)
    return encoder, tokenizer


def batches(lengths: Sequence[int], size: int, rng: random.Random) -> Iterator[list[int]]:
    """Indices in random batches of about equal length: less padding."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    chunk = size * 64
    groups = []
    for start in range(0, len(order), chunk):
        part = sorted(order[start : start + chunk], key=lambda i: lengths[i])
        groups += [part[i : i + size] for i in range(0, len(part), size)]
    rng.shuffle(groups)
    yield from groups


def soft_cross_entropy(logits: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Cross entropy with a distribution (B, C) as target, summed over the rows; a row of zeros counts for nothing."""
    known = target.sum(1, keepdim=True)
    target = target * (1 - smoothing) + smoothing * known / target.shape[1]
    return -(target * logits.log_softmax(-1)).sum()


def mixed_precision() -> AbstractContextManager[Any]:
    """bfloat16 where the processor multiplies it, which halves the time of a step; elsewhere it would cost time."""
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


@torch.inference_mode()
def predict(
    encoder: TextEncoder, tokenizer: Any, readings: Sequence[Reading], batch: int = 64
) -> tuple[Tensor, Tensor]:
    """Readings -> T1 (N, D) and Stage I logits (N, 7), in the order given."""
    encoder.eval()
    order = sorted(range(len(readings)), key=lambda i: len(readings[i].before) + len(readings[i].text))
    t1 = torch.zeros(len(readings), encoder.dimension)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        t1[part] = encoder(*tokenize(tokenizer, [readings[i] for i in part]))
    return t1, encoder.classify(t1).float()


@dataclass(frozen=True, slots=True)
class Sample:
    """A line to learn from. `soft`: what the teacher says of it in each writing, (7,), None without a teacher."""

    line: Line
    soft: Mapping[Writing, np.ndarray] | None


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Readings (B,) with the corpus and the target (B, 7) of each; `soft` (B, 7): the teacher's, None without one."""

    readings: list[Reading]
    corpora: list[TextCorpus]
    targets: Tensor
    soft: Tensor | None


def read_corpora(config: TextStage, data: Path) -> dict[TextCorpus, list[Sample]]:
    """What the stage trains on. Lines that neither a label nor a teacher says anything of are left out."""
    teacher = SoftLabels.shipped() if config.soft_share else None
    corpora = {}
    for name in config.corpora:
        lines = read_lines(data, name)
        soft = teacher.of(name, len(lines)) if teacher and teacher.labels(name) else [None] * len(lines)
        corpora[name] = [Sample(x, s) for x, s in zip(lines, soft, strict=True) if s is not None or x.target.any()]
    return corpora


def training_batches(
    corpora: Mapping[TextCorpus, Sequence[Sample]],
    names: Sequence[TextCorpus],
    config: TextStage,
    confusions: Confusions,
    rng: random.Random,
) -> Iterator[TextBatch]:
    """One epoch over the corpora `names`, at most `config.at_most` lines of each; deterministic in `rng`."""
    samples: list[Sample] = []
    for name in names:
        there, most = corpora[name], config.at_most.get(name)
        samples += there if most is None or most >= len(there) else rng.sample(there, most)
    contexts = [0 if rng.random() < config.alone else config.context for _ in samples]
    lengths = [s.line.length(context) for s, context in zip(samples, contexts, strict=True)]
    for indices in batches(lengths, config.batch, rng):
        writings = rng.choices(WRITINGS, config.writings, k=len(indices))
        chosen = [samples[i] for i in indices]
        yield TextBatch(
            [
                s.line.read(writer(w, confusions, rng), contexts[i])
                for i, s, w in zip(indices, chosen, writings, strict=True)
            ],
            [s.line.corpus for s in chosen],
            torch.from_numpy(np.stack([s.line.target for s in chosen])),
            soft_targets(chosen, writings),
        )


def soft_targets(samples: Sequence[Sample], writings: Sequence[Writing]) -> Tensor | None:
    """What the teacher says of each sample in its writing, (B, 7), 0 where it says nothing; None where of none."""
    if all(s.soft is None for s in samples):
        return None
    nothing = np.zeros(len(LABELS), np.float32)
    rows = [nothing if s.soft is None else s.soft[w] for s, w in zip(samples, writings, strict=True)]
    return torch.from_numpy(np.stack(rows))


def train(config: TextStage, data: Path, out: Path) -> dict[str, Any]:
    """The phases of Stage I text; returns the dev figures of the kept epoch."""
    torch.manual_seed(config.seed)
    encoder, tokenizer = build_encoder(config.init)
    corpora = read_corpora(config, data)
    dev = read_lines(data, "meld", "dev")
    confusions = read_confusions()
    corpora = {name: rows for name, rows in corpora.items() if rows}
    heads = nn.ModuleDict(
        {n: nn.Linear(encoder.dimension, len(LABELS)) for n, rows in corpora.items() if n != "meld" and labelled(rows)}
    )

    def phase(name: str, epochs: int, lr: float, names: Sequence[TextCorpus]) -> Phase[TextBatch]:
        rows = sum(min(len(corpora[n]), config.at_most.get(n, len(corpora[n]))) for n in names)
        steps = math.ceil(rows / config.batch)
        warm = max(1, int(epochs * steps * config.warm_up))
        rate = partial(warm_up_then_down, warm=warm, total=epochs * steps)
        optimisation = adamw(
            lr, config.weight_decay, rate, fused=True, lr_of=lambda name: config.new_lr if NEW.match(name) else lr
        )
        make = partial(training_batches, corpora, names, config, confusions)
        return Phase(epochs, make, optimisation, steps, name, selects=name == "meld")

    def loss(batch: TextBatch) -> Tensor:
        with mixed_precision():
            t1 = encoder(*tokenize(tokenizer, batch.readings))
        hard = torch.zeros(())
        for name in sorted(set(batch.corpora)):
            if name == "meld" or name in heads:
                rows = [i for i, n in enumerate(batch.corpora) if n == name]
                head = encoder.head if name == "meld" else heads[name]
                hard = hard + soft_cross_entropy(head(t1[rows]), batch.targets[rows], config.label_smoothing)
        if batch.soft is None:
            return hard / len(batch.readings)
        soft = soft_cross_entropy(encoder.head(t1), batch.soft, 0.0)
        return ((1 - config.soft_share) * hard + config.soft_share * soft) / len(batch.readings)

    truth = np.array([line.label for line in dev])

    def weighted_f1(writing: Writing, context: int) -> float:
        write = writer(writing, confusions, random.Random(0))
        with mixed_precision():
            logits = predict(encoder, tokenizer, [line.read(write, context) for line in dev])[1]
        return float(classification_metrics(logits.softmax(-1).numpy(), truth)["weighted_f1"])

    def evaluate() -> dict[str, float]:
        alone = {"whisper_alone": weighted_f1("whisper", 0)} if config.context else {}
        trained = [w for w, share in zip(WRITINGS, config.writings, strict=True) if share]
        return {w: weighted_f1(w, config.context) for w in trained} | alone

    phases = []
    if config.pretrain_epochs:
        phases.append(phase("pretrain", config.pretrain_epochs, config.pretrain_lr, list(corpora)))
    phases.append(phase("meld", config.epochs, config.lr, ["meld"]))
    stage = Stage(
        name="text", module=nn.ModuleDict({"encoder": encoder, "heads": heads}), phases=phases, loss=loss,
        evaluate=evaluate, select=config.select, seed=config.seed, clip=config.clip, average=config.average,
        average_from="first step", generator=lambda seed, epoch: random.Random(seed * 1000 + epoch),
    )  # fmt: skip
    begun_with = msgspec.to_builtins(config) | {"rows": {name: len(rows) for name, rows in corpora.items()}}
    best = fit(stage, out, LoopOptions(begun_with=begun_with, save_every=config.save_every))
    tokenizer.save(str(out / TOKENIZER), pretty=False)
    save_json({"figures": best, "config": encoder.config}, out / "best.json")
    return best


def labelled(samples: Sequence[Sample]) -> bool:
    return any(s.line.target.any() for s in samples)


def load_encoder(folder: Path) -> tuple[TextEncoder, Any]:
    """The encoder that `train` kept in `folder`, in evaluation mode, and its tokenizer."""
    kept = json.loads((folder / "best.json").read_text())
    encoder = TextEncoder(kept["config"])
    state = load_state(folder / "text.best.pt")
    encoder.load_state_dict({k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")})
    return encoder.eval(), load_tokenizer(str(folder / TOKENIZER), encoder.max_tokens)
