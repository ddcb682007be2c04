"""The recipe of the paper for corpora with words and voices: stages 0 to III, their figures on dev, the checkpoint.

A stage that is done is not done again; one that was interrupted goes on. What it was begun with is kept beside it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import nn

from livemerc.errors import ConfigError
from livemerc.model.checkpoint import MANIFEST, file_sha256
from livemerc.model.merits import ConversationModel
from livemerc.model.speech_head import SpeechHead
from livemerc.model.temperatures import Temperatures
from livemerc.model.text import TextEncoder
from trainer.corpora.corpus import SENTIMENTS
from trainer.loop import processes
from trainer.loop.calibrate import fit_temperatures
from trainer.loop.differences import first_difference
from trainer.loop.options import TrainOptions, chosen_stages
from trainer.loop.run_folder import RunFolder
from trainer.loop.saving import load_state, save_arrays, save_json, save_state
from trainer.loop.stage import LoopOptions
from trainer.loop.windows import without_speech, without_text
from trainer.merits_l import conversation as conversation_stages
from trainer.merits_l import speech as speech_stage
from trainer.merits_l import text as text_stage
from trainer.merits_l.config import ConversationSection, read_config
from trainer.merits_l.data import check_finite, check_modalities, dev_figures, fingerprint, make_split
from trainer.merits_l.export import export_run
from trainer.merits_l.speech_features import speech_features
from trainer.merits_l.stages import FOLDERS, STAGES, summary

SPLITS = ("train", "dev")


def train(config: Path, data: Path, out: Path, options: TrainOptions) -> None:
    """Trains the chosen stages; after the last one, prints figures and parameters and writes a checkpoint to `out`."""
    stages = chosen_stages(options.stage, STAGES)
    process = processes.accelerator(options.device or "auto")
    folder = RunFolder(out, "merits-l")
    if options.resume:
        folder.resume()
    read_config(config)  # a mistake in it costs nothing yet
    if process.is_main_process:
        if options.overwrite:
            folder.overwrite([f for s in stages for f in FOLDERS.get(s, (s,))], [])
        folder.begin("all", {})
    process.wait_for_everyone()
    run = Run(config, data, folder, options)
    for stage in stages:
        run.run(stage)
    if process.is_main_process:
        for line in summary(out):
            print(line)
        if "fusion" in run.trained or ("fusion" in stages and not (out / "checkpoint" / MANIFEST).exists()):
            export_run(config, out, out / "checkpoint", f"merits-l-{run.config.corpus.name}")
            print(f"{out / 'checkpoint'}: a checkpoint for `livemerc run --checkpoint`")
    process.wait_for_everyone()


class Run:
    """One run: its configuration, corpus and folder. Every method leaves its files below `out`."""

    def __init__(self, config: Path, data: Path, folder: RunFolder, options: TrainOptions):
        from trainer.corpora.registry import read_corpus

        self.options, self.folder, self.out = options, folder, folder.out
        self.config = read_config(config)
        self.process = processes.accelerator(options.device or "auto")
        self.device: torch.device = self.process.device
        corpus_options: dict[str, Any] = self.config.corpus.options
        self.corpus = read_corpus(self.config.corpus.name, data, **corpus_options)
        self.splits = {name: make_split(self.corpus, name) for name in SPLITS}
        for split in self.splits.values():
            check_modalities(split)
        self.labels = len(self.corpus.labels)
        self.seed = self.config.run.seed
        self.trained: list[str] = []
        """Stages that this process trained; the others were done before."""

    def run(self, stage: str) -> None:
        """Runs one of `STAGES`. Raises `ConfigError` where an earlier one is missing or `out` was begun otherwise."""
        {"pretrain": self.pretrain, "text": self.text, "speech": self.speech, "conversation": self.conversation,
         "fusion": self.fusion}[stage]()  # fmt: skip

    # Stage 0

    def pretrain(self) -> None:
        """Trains the text encoder on pseudo-labels; does nothing where none are given, as in the paper's ablation."""
        source = self.options.pseudo_labels
        if source is None:
            self._say("stage pretrain: no --pseudo-labels FILE, so Stage I starts from the encoder as it is")
            return
        from trainer.pseudo_labels.labelled_corpus import read_pseudo_labels

        rows = read_pseudo_labels(source)
        section = self.config.pretrain
        digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
        begun = {"pretrain": msgspec.to_builtins(section), "text.encoder": self.config.text.encoder,
                 "text.weights": self.config.text.weights, "pseudo_labels": digest}  # fmt: skip

        def work(out: Path, options: LoopOptions) -> dict[str, Any]:
            torch.manual_seed(self.seed)
            encoder, tokenizer = self._text_encoder(len(SENTIMENTS))
            train, dev = text_stage.split_pseudo_labels(rows, section.dev_share, self.seed)
            best = text_stage.train_text(encoder, tokenizer, train, dev, section, self.seed, out, options, "pretrain")
            return {"best": best, "trained": trainable(encoder)}

        self._stage("pretrain", begun, work, "pretrain.best.pt")

    # Stage I

    def text(self) -> None:
        section = self.config.text
        begun = {"text": msgspec.to_builtins(section), "pretrain": self._fingerprint("pretrain", needed=False)}

        def work(out: Path, options: LoopOptions) -> dict[str, Any]:
            torch.manual_seed(self.seed)
            encoder, tokenizer = self._text_encoder(self.labels)
            if begun["pretrain"] is not None:
                state = load_state(self.out / "pretrain" / "pretrain.best.pt")
                text_stage.load_text(encoder, state, head=False)
            train, dev = (text_stage.TextRows.of(self.splits[s]) for s in SPLITS)
            best = text_stage.train_text(encoder, tokenizer, train, dev, section, self.seed, out, options)
            if self.process.is_main_process:
                tokenizer.save(str(out / "tokenizer.json"))
                save_json(encoder.config, out / "encoder.json")
                save_arrays(self._text_features(encoder, tokenizer), out / "t1.npz")
            return {"best": best, "trained": trainable(encoder)}

        self._stage("text", begun, work, "t1.npz")

    def speech(self) -> None:
        section = self.config.speech
        begun = {"speech": msgspec.to_builtins(section)}

        def work(out: Path, options: LoopOptions) -> dict[str, Any]:
            cache = self.options.cache or self.out / "cache"
            features = speech_features(section, self.splits, cache, self.seed, self.device)
            torch.manual_seed(self.seed)
            head = SpeechHead(
                {"layers": features.layers, "dimension": features.dimension, "extra": features.extra,
                 "labels": self.labels, "embedding": section.embedding, "dropout": section.dropout}
            ).to(self.device)  # fmt: skip
            best = speech_stage.train_speech(
                head, self.splits["train"], self.splits["dev"], features.voiced, features.fetch, section, self.seed,
                out, options,
            )  # fmt: skip
            if self.process.is_main_process:
                save_json(head.config, out / "head.json")
                arrays: dict[str, np.ndarray] = {}
                for name, split in self.splits.items():
                    rows = features.voiced[name]
                    s1, logits = (np.zeros((len(split), w), np.float32) for w in (head.dimension, self.labels))
                    found = speech_stage.encode(head, features.fetch[name], rows)
                    s1[rows], logits[rows] = found[0].numpy(), found[1].numpy()
                    check_finite(s1[rows], split, rows, "speech embedding")
                    arrays |= {f"{name}_s1": s1, f"{name}_logits": logits, f"{name}_voiced": rows}
                save_arrays(arrays, out / "s1.npz")
            return {"best": best, "trained": trainable(head), "front_parameters": features.parameters,
                    "front": features.fingerprint}  # fmt: skip

        self._stage("speech", begun, work, "s1.npz")

    # Stages II and III

    def conversation(self) -> None:
        self._conversation("text", self.config.conversation.text)
        self._conversation("speech", self.config.conversation.speech)

    def _conversation(self, modality: conversation_stages.Modality, section: ConversationSection) -> None:
        name = f"conversation-{modality}"

        def work(out: Path, options: LoopOptions) -> dict[str, Any]:
            model = self._model()
            best = conversation_stages.train_conversation(
                model, modality, self.dialogues, section, self.config.run, out, options
            )
            return {"best": best, "trained": trainable(getattr(model, f"{modality}_context"))}

        self._stage(name, {name: msgspec.to_builtins(section), **self._embeddings()}, work, f"{name}.best.pt")

    def fusion(self) -> None:
        begun = {"fusion": msgspec.to_builtins(self.config.fusion), **self._embeddings()}
        for modality in ("text", "speech"):
            begun[f"conversation-{modality}"] = self._fingerprint(f"conversation-{modality}")

        def work(out: Path, options: LoopOptions) -> dict[str, Any]:
            model = self._model(with_contexts=True)
            best = conversation_stages.train_fusion(
                model, self.dialogues, self.config.fusion, self.config.run, out, options
            )
            figures = {}
            if self.process.is_main_process:
                figures = self._report(model)
                save_json(
                    {"config": model.config, "labels": self.corpus.labels, "prior": self._prior(),
                     "temperatures": msgspec.to_builtins(self._temperatures(model))}, out / "model.json",
                )  # fmt: skip
                save_state({k: v.cpu() for k, v in model.state_dict().items()}, out / "conversation.pt")
            return {"best": best, "trained": trainable(model.fusion), "dev": figures}

        self._stage("fusion", begun, work, "conversation.pt")

    # What the stages share

    @cached_property
    def dialogues(self) -> conversation_stages.Dialogues:
        """Frozen T1 and S1 by dialogue."""
        t1, s1 = self._arrays("text", "t1.npz"), self._arrays("speech", "s1.npz")
        made = {}
        for name, split in self.splits.items():
            has_speech = np.zeros(len(split), bool)
            has_speech[s1[f"{name}_voiced"]] = True
            made[name] = split.dialogues(t1[f"{name}_t1"], s1[f"{name}_s1"], has_speech)
        return conversation_stages.Dialogues(made["train"], made["dev"])

    def _stage(
        self, name: str, begun: dict[str, Any], work: Callable[[Path, LoopOptions], dict[str, Any]], made: str
    ) -> None:
        """Runs `work` unless it is done, and writes NAME/stage.json: its record, and what it was begun with. `made`:
        the file that the next stages build on."""
        out = self.out / name
        begun = json.loads(json.dumps(
            {**begun, "run": msgspec.to_builtins(self.config.run), "corpus": msgspec.to_builtins(self.config.corpus),
             "max_steps": self.options.max_steps, "utterances": fingerprint(self.splits.values())}
        ))  # fmt: skip
        record = out / "stage.json"
        if record.exists():
            before = json.loads(record.read_text())["begun_with"]
            if before != begun:
                raise ConfigError(f"{record}: {first_difference(before, begun)}; name another --out, or --overwrite.")
            self._say(f"stage {name}: done before")
            return
        self._say(f"stage {name}")
        if self.process.is_main_process:
            self.folder.describe(msgspec.to_builtins(self.config), {"utterances": begun["utterances"]})
        options = LoopOptions(
            precision=self.config.run.precision, save_every=self.config.run.save_every, begun_with=begun,
            max_steps=self.options.max_steps,
            tracker=None if self.options.tracker is None else self.out / "tensorboard",
        )  # fmt: skip
        figures = work(out, options)
        self.trained.append(name)
        if self.process.is_main_process:
            save_json({"begun_with": begun, "fingerprint": file_sha256(out / made), **figures}, record)
        self.process.wait_for_everyone()

    def _text_encoder(self, labels: int) -> tuple[TextEncoder, Any]:
        from trainer.fronts.encoders import build_text_encoder

        section = self.config.text
        encoder, tokenizer = build_text_encoder(
            section.encoder, weights=section.weights, labels=labels, max_tokens=section.max_tokens
        )
        return encoder.to(self.device), tokenizer

    def _text_features(self, encoder: TextEncoder, tokenizer: Any) -> dict[str, np.ndarray]:
        """T1 and Stage I logits of all utterances; zeros where there is no text."""
        arrays: dict[str, np.ndarray] = {}
        for name, split in self.splits.items():
            rows = np.flatnonzero(split.has_text)
            t1, logits = (np.zeros((len(split), w), np.float32) for w in (encoder.dimension, self.labels))
            found = text_stage.encode(encoder, tokenizer, [split.utterances[i].text for i in rows])
            t1[rows], logits[rows] = found[0].numpy(), found[1].numpy()
            check_finite(t1[rows], split, rows, "text embedding")
            arrays |= {f"{name}_t1": t1, f"{name}_logits": logits}
        return arrays

    def _model(self, *, with_contexts: bool = False) -> ConversationModel:
        """Stages II and III as drawn from the seed; with both Stage II networks as trained where asked for."""
        first = self.dialogues.train[0]
        model = conversation_stages.build(self.config, first.t1.shape[1], first.s1.shape[1], self.labels)
        if with_contexts:
            for modality, network in (("text", model.text_context), ("speech", model.speech_context)):
                name = f"conversation-{modality}"
                state = load_state(self.out / name / f"{name}.best.pt")
                own = {k.removeprefix("network."): v for k, v in state.items() if k.startswith("network.")}
                network.load_state_dict(own)
        return model.to(self.device)

    def _report(self, model: ConversationModel) -> dict[str, Any]:
        """Dev figures of every stage: Stage I alone, Stage II and the fusion at lag 0, at lag R = 2, and offline."""
        dev, context = self.splits["dev"], self.config.run.context
        t1, s1 = self._arrays("text", "t1.npz"), self._arrays("speech", "s1.npz")
        voiced = np.isin(np.arange(len(dev)), s1["dev_voiced"])
        figures: dict[str, Any] = {}
        for modality, arrays, there in (("text", t1, dev.has_text), ("speech", s1, voiced)):
            logits = torch.from_numpy(arrays["dev_logits"])
            figures[f"stage 1 {modality}"] = dev_figures(logits, np.where(there, dev.labels, -1))
        for field in ("text", "speech", "fused"):
            for name, lag in (("lag 0", 0), ("lag 2", 2), ("offline", None)):
                stage = "stage 3" if field == "fused" else "stage 2"
                found = conversation_stages.figures(model, self.dialogues.dev, context, field, lag)
                figures[f"{stage} {field}, {name}"] = found
        return figures

    def _temperatures(self, model: ConversationModel) -> Temperatures:
        dev = self.dialogues.dev
        conditions = {"text_only": [without_speech(d) for d in dev], "speech_only": [without_text(d) for d in dev],
                      "both": list(dev)}  # fmt: skip
        return fit_temperatures(model, conditions, self.config.run.context)

    def _prior(self) -> list[float]:
        """Label shares of the training dialogues."""
        labels = self.splits["train"].labels
        return (np.bincount(labels[labels >= 0], minlength=self.labels) / (labels >= 0).sum()).tolist()

    def _embeddings(self) -> dict[str, Any]:
        return {"t1": self._fingerprint("text"), "s1": self._fingerprint("speech")}

    def _fingerprint(self, stage: str, *, needed: bool = True) -> str | None:
        record = self.out / stage / "stage.json"
        if not record.exists():
            if not needed:
                return None
            raise ConfigError(
                f"{record} is missing: run `livemerc-train train ... --stage {stage.partition('-')[0]}` first."
            )
        return str(json.loads(record.read_text())["fingerprint"])

    def _arrays(self, stage: str, name: str) -> dict[str, np.ndarray]:
        with np.load(self.out / stage / name) as found:
            return {key: found[key] for key in found.files}

    def _say(self, what: str) -> None:
        if self.process.is_main_process:
            print(f"livemerc-train: {what}", file=sys.stderr, flush=True)


def trainable(module: nn.Module) -> int:
    """Parameters that require a gradient."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
