"""The recipe of the compact checkpoint, stage by stage; each is resumable and reads what the one before froze."""

from __future__ import annotations

from pathlib import Path

from livemerc.errors import ConfigError
from livemerc.model.checkpoint import Abstention, Manifest
from trainer.config import FusionStage, TextStage, read_stage

STAGES = ("text", "speech", "context")


def run(stage: str, config: Path, data: Path, out: Path) -> None:
    """One of `STAGES` with the settings of `config`, corpora in `data`, results below `out`."""
    if stage == "text":
        from trainer import features, text_stage

        settings = read_stage(config, "text", TextStage)
        text_stage.train(settings, data, out / "text")
        features.extract(settings, data, out / "text", out / "features")
    elif stage == "speech":
        from trainer import speech_stage

        for mode in ("prepare", "final", "embed"):
            speech_stage.main([mode, "--config", str(config), "--data", str(data), "--out", str(out / "speech")])
    elif stage == "context":
        from trainer import context_stages

        _need(out / "features/text.npz", "text")
        _need(out / "speech/final/embeddings.npz", "speech")
        context_stages.train(config, out / "features/text.npz", out / "speech/final/embeddings.npz", out / "context")
    else:
        raise ConfigError(f"unknown stage {stage!r}; one of {', '.join(STAGES)}.")


def export_checkpoint(config: Path, runs: Path, out: Path, name: str) -> Manifest:
    """Finished runs -> a checkpoint folder."""
    from trainer.export import export

    _need(runs / "context/figures.json", "context")
    return export(
        runs / "text", runs / "speech/final", runs / "context", runs / "features/text.npz",
        read_stage(config, "fusion", FusionStage), out, name, Abstention(),
    )  # fmt: skip


def _need(path: Path, stage: str) -> None:
    if not path.exists():
        raise ConfigError(f"{path} is missing: run `livemerc-train train ... --stage {stage}` first.")
