"""Every stage of both recipes as a run of a second: what is killed, resumed and asked for its threads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch
from helpers.trainer import small_compact
from helpers.trainer.miniature import small_config, write_iemocap
from helpers.trainer.small_voices import small_stage, voice_features

from livemerc.emotions import LABELS
from trainer.compact import conversation, text
from trainer.compact.compose import clip_pools
from trainer.compact.config import ConversationStage, FusionStage, TextStage, read_stage
from trainer.compact.text_features import TextFeatures
from trainer.compact.voice_features import VoiceFeatures
from trainer.compact.voice_training import train_head
from trainer.experiments.stage_ablations import end_to_end
from trainer.loop.options import TrainOptions
from trainer.recipe import train

MERITS_L = ("pretrain", "text", "speech", "conversation-text", "conversation-speech", "fusion")


class SmallStages:
    """Data, configurations and whatever an earlier stage leaves are made below `folder` when first asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.runs: dict[str, Callable[[Path], object]] = {
            "compact text": self._text,
            "compact voice": self._voice,
            "compact conversation-text": lambda out: self._context(out, "text"),
            "compact conversation-speech": lambda out: self._context(out, "speech"),
            "compact fusion": lambda out: self._context(out, "fusion"),
            "compact end to end": lambda out: self._context(out, "joint"),
        } | {f"merits-l {stage}": self._merits_l(stage) for stage in MERITS_L}

    @staticmethod
    def file_name(stage: str) -> str:
        """The name that a stage's files begin with."""
        own = {"compact conversation-text": "text", "compact conversation-speech": "speech",
               "compact end to end": "joint"}  # fmt: skip
        return own.get(stage, stage.split(" ")[1])

    @cached_property
    def _config(self) -> Path:
        small_compact.write_text_corpora(self.folder / "data")
        small_compact.write_text_features(self.folder / "features.npz")
        small_compact.write_embeddings(self.folder / "embeddings.npz")
        return small_compact.small_compact_config(self.folder)

    def _text(self, out: Path) -> object:
        return text.train(read_stage(self._config, "text", TextStage), self.folder / "data", out)

    def _voice(self, out: Path) -> object:
        stage = small_stage(mask_absent=True)
        heard = VoiceFeatures.joined([voice_features("ravdess", 7, 4), voice_features("nemo", 6, 3)])
        return train_head(heard, stage, 0, out)

    def _context(self, out: Path, part: str) -> object:
        settings = read_stage(self._config, "conversation", ConversationStage)
        fusion = read_stage(self._config, "fusion", FusionStage)
        features = TextFeatures(self.folder / "features.npz")
        pools = clip_pools(self.folder / "embeddings.npz", fusion.dev_actors, fusion.soften, fusion.nameless)
        model = conversation.build(settings, fusion, features.width, len(LABELS))
        if part == "text":
            return conversation.train_text_context(model, features, settings, out, len(LABELS))
        if part == "speech":
            return conversation.train_speech_context(model, features, pools, settings, out)
        joint = {"fusion": conversation.train_fusion, "joint": end_to_end}[part]
        return joint(model, features, pools, fusion, out)

    def _merits_l(self, stage: str) -> Callable[[Path], object]:
        """The command `train --stage`, over the stages before it as one run left them."""

        def run(out: Path) -> None:
            before = self.merits_l
            out.mkdir(parents=True, exist_ok=True)
            shutil.copy(before / "run.json", out / "run.json")
            for earlier in MERITS_L[: MERITS_L.index(stage)]:
                if not (out / earlier).exists():
                    shutil.copytree(before / earlier, out / f"{earlier}.part", dirs_exist_ok=True)
                    (out / f"{earlier}.part").rename(out / earlier)
            self._train(out, "conversation" if stage.startswith("conversation") else stage)

        return run

    @cached_property
    def merits_l(self) -> Path:
        """A run from beginning to end, made once."""
        (self.folder / "iemocap").mkdir()
        write_iemocap(self.folder / "iemocap")
        (self.folder / "merits-l").mkdir()
        small_config(self.folder / "merits-l", run__save_every=2, text__accumulate=2)
        rows = [
            f"you are {w} {n},{label}" for n in range(9) for w, label in (("fine", "positive"), ("bad", "negative"))
        ]
        (self.folder / "labels.csv").write_text("\n".join(["text,label", *rows]))
        self._train(self.folder / "whole", "all")
        return self.folder / "whole"

    def _train(self, out: Path, stage: str) -> None:
        options = TrainOptions(
            stage=stage, device="cpu", cache=self.folder / "cache", pseudo_labels=self.folder / "labels.csv"
        )
        train(self.folder / "merits-l" / "small.toml", self.folder / "iemocap", out, options)

    def weights(self, stage: str, out: Path) -> dict[str, torch.Tensor]:
        """What a run left: the kept weights, and those of its last step."""
        folder, name = self.files(stage, out)
        kept = torch.load(folder / f"{name}.best.pt", weights_only=True)
        last = torch.load(folder / f"{name}.resume.pt", weights_only=True)["module"]
        return {**{f"kept {k}": v for k, v in kept.items()}, **{f"last {k}": v for k, v in last.items()}}

    def files(self, stage: str, out: Path) -> tuple[Path, str]:
        """Folder of the stage's files and the name they begin with."""
        name = self.file_name(stage)
        return (out / name if stage.startswith("merits-l") else out), name
