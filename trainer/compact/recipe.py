"""The recipe of the checkpoint that ships, stage by stage; each reads what the one before froze."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from livemerc.errors import ConfigError
from trainer.compact.config import TextStage, VoiceStage, complete, read_stage, settings
from trainer.compact.stages import CORPORA, FOLDERS, SECTIONS_OF, STAGES, TEACHER, need
from trainer.loop.options import TrainOptions, chosen_stages
from trainer.loop.provenance import digests
from trainer.loop.run_folder import RunFolder


def train(config: Path, data: Path, out: Path, options: TrainOptions) -> None:
    """Trains the chosen stages below `out`, with the corpora in `data`. Raises the errors of `livemerc.errors`."""
    for name in ("device", "cache", "max_steps", "tracker", "pseudo_labels"):
        if getattr(options, name) is not None:
            raise ConfigError(
                f"--{name.replace('_', '-')} belongs to the recipe merits-l; {config} is the compact one."
            )
    stages = chosen_stages(options.stage, STAGES, (TEACHER,))
    folder = RunFolder(out, "compact")
    if options.resume:
        folder.resume()
    if options.overwrite:
        folder.overwrite([f for s in stages for f in FOLDERS[s]], stages)
    run = {TEACHER: _teacher, "text": _text, "voice": _voice, "context": _context}
    found = digests(data, CORPORA)
    for stage in stages:
        folder.begin(stage, settings(config, *SECTIONS_OF[stage]))
        folder.describe(complete(config), found)
        print(f"livemerc-train: stage {stage}", file=sys.stderr)
        run[stage](config, data, out)


def _teacher(config: Path, data: Path, out: Path) -> None:
    from trainer.compact import teacher

    teacher.train(read_stage(config, "teacher", TextStage), data, out / "teacher")


def _text(config: Path, data: Path, out: Path) -> None:
    from trainer.compact import text, text_features

    stage = read_stage(config, "text", TextStage)
    text.train(stage, data, out / "text")
    text_features.extract(stage, data, out / "text", out / "features")


def _voice(config: Path, data: Path, out: Path) -> None:
    import torch

    from trainer.compact import voice

    stage = read_stage(config, "voice", VoiceStage)
    print(json.dumps(voice.train(stage, data, out / "voice", processes=torch.get_num_threads()), indent=2))


def _context(config: Path, data: Path, out: Path) -> None:
    from trainer.compact import conversation

    features = need(out / "features/text.npz", "text")
    conversation.train(config, features, need(out / "voice/final/embeddings.npz", "voice"), out / "context")
