"""Which recipe a configuration is for, and the stages of the compact one; each reads what the one before froze."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from livemerc.errors import ConfigError
from livemerc.model.checkpoint import Abstention, Manifest
from trainer.compact.config import ConversationStage, FusionStage, SpeechStage, TextStage, complete, read_stage
from trainer.loop.config_file import read_toml
from trainer.loop.options import TrainOptions, chosen_stages
from trainer.loop.provenance import digests
from trainer.loop.run_folder import RunFolder

STAGES = ("text", "speech", "context")
"""Stages of the compact recipe."""
CORPORA = ("meld", "goemotions", "emorynlp", "ravdess", "nemo", "speech", "transcripts")
"""Folders of `--data` that they read."""
_FOLDERS = {"text": ("text", "features"), "speech": ("speech",), "context": ("context",)}


def read_recipe(path: Path) -> str:
    """The recipe that a configuration is for: "merits-l", or "compact" where it names none. Raises `ConfigError`."""
    recipe = read_toml(path).get("recipe", "compact")
    if recipe not in ("compact", "merits-l"):
        raise ConfigError(f'{path}: recipe {recipe!r} is unknown; it is "merits-l", or left out for the compact model.')
    return str(recipe)


def train(config: Path, data: Path, out: Path, options: TrainOptions) -> None:
    """Trains the chosen stages of the configuration's recipe. Raises the errors of `livemerc.errors`."""
    if options.resume and options.overwrite:
        raise ConfigError("--resume and --overwrite contradict each other; give one of them.")
    if options.max_steps is not None and options.max_steps < 1:
        raise ConfigError("--max-steps must be 1 or more.")
    recipe = read_recipe(config)
    if recipe == "merits-l":
        from trainer.merits_l import recipe as merits_l

        merits_l.train(config, data, out, options)
        return
    for name in ("device", "cache", "max_steps", "tracker", "pseudo_labels"):
        if getattr(options, name) is not None:
            raise ConfigError(
                f"--{name.replace('_', '-')} belongs to the recipe merits-l; {config} is the compact one."
            )
    stages = chosen_stages(options.stage, STAGES)
    folder = RunFolder(out, recipe)
    if options.resume:
        folder.resume()
    if options.overwrite:
        folder.overwrite([f for s in stages for f in _FOLDERS[s]], stages)
    for stage in stages:
        folder.begin(stage, _settings(config, stage))
        folder.describe(complete(config), digests(data, CORPORA))
        print(f"livemerc-train: stage {stage}", file=sys.stderr)
        run(stage, config, data, out)


def _settings(config: Path, stage: str) -> dict[str, Any]:
    of: dict[str, dict[str, Any]] = {
        "text": {"text": TextStage},
        "speech": {"speech": SpeechStage},
        "context": {"conversation": ConversationStage, "fusion": FusionStage},
    }
    return {
        f"{name}.{key}": value
        for name, kind in of[stage].items()
        for key, value in msgspec.to_builtins(read_stage(config, name, kind)).items()
    }


def run(stage: str, config: Path, data: Path, out: Path) -> None:
    """Trains one of `STAGES` with the settings of `config`, corpora in `data`, results below `out`."""
    if stage == "text":
        from trainer.compact import text as text_stage
        from trainer.compact import text_features as features

        settings = read_stage(config, "text", TextStage)
        text_stage.train(settings, data, out / "text")
        features.extract(settings, data, out / "text", out / "features")
    elif stage == "speech":
        from trainer.compact import speech as speech_stage

        for mode in ("prepare", "final", "embed"):
            speech_stage.main([mode, "--config", str(config), "--data", str(data), "--out", str(out / "speech")])
    elif stage == "context":
        from trainer.compact import conversation as context_stages

        _need(out / "features/text.npz", "text")
        _need(out / "speech/final/embeddings.npz", "speech")
        context_stages.train(config, out / "features/text.npz", out / "speech/final/embeddings.npz", out / "context")
    else:
        raise ConfigError(f"unknown stage {stage!r}; one of {', '.join(STAGES)}.")


def export_checkpoint(config: Path, runs: Path, out: Path, name: str) -> Manifest:
    """Finished runs of either recipe -> a checkpoint folder."""
    if read_recipe(config) == "merits-l":
        from trainer.merits_l.export import export_run

        return export_run(config, runs, out, name)
    from trainer.compact.export import export

    _need(runs / "context/figures.json", "context")
    return export(
        runs / "text", runs / "speech/final", runs / "context", runs / "features/text.npz",
        read_stage(config, "fusion", FusionStage), out, name, Abstention(),
    )  # fmt: skip


def _need(path: Path, stage: str) -> None:
    if not path.exists():
        raise ConfigError(f"{path} is missing: run `livemerc-train train ... --stage {stage}` first.")
