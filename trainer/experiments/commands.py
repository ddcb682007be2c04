"""`livemerc-train experiment NAME`: flags and one call each. A new experiment is a module here and a command below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from livemerc.errors import EXIT_OK, ConfigError
from trainer.compact.config import SpeechStage, read_stage
from trainer.compact.stages import need
from trainer.loop.torch_settings import set_torch

if TYPE_CHECKING:
    from trainer.compact.log_mels import Features

experiments = App(
    name="experiment",
    help="Train and measure what does not ship: figures.json in the folder --out, and a Markdown table. Without a "
    "name, the experiments are listed. The same command again goes on where the last one stopped.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureOptions:
    """What the experiments on cached features share."""

    features: Annotated[list[Path], Parameter(consume_multiple=True)]
    """Features of Stage I text, RUNS/features/text.npz, of one seed or several: mean and deviation."""
    out: Path
    """Folder of the experiment."""
    config: Path = Path("configs/compact.toml")
    """The compact recipe's configuration; its sections [conversation] and [fusion] are read."""
    threads: int = 1
    """torch threads (default 1)."""
    overwrite: bool = False
    """Begin anew."""

    def begin(self, name: str, data: Mapping[str, Path]) -> None:
        """`data`: what it reads beside the features. Raises `ConfigError` where a file is missing, or `out` was begun
        with something else."""
        for path in self.features:
            need(path, "text")
        set_torch(self.threads)
        from trainer.experiments.results import begin
        from trainer.loop.provenance import digest

        read = {f"features of seed {n}": path for n, path in enumerate(self.features)} | dict(data)
        found = {name: digest(path) for name, path in read.items()}
        begin(self.out, name, self.config, ("conversation", "fusion"), found, overwrite=self.overwrite)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOptions:
    """What the experiments on clips share."""

    data: Path
    """Folder with the corpora, as for `train`."""
    out: Path
    """Folder of the experiment."""
    config: Path = Path("configs/compact.toml")
    """The compact recipe's configuration; its section [speech] is read."""
    cache: Path | None = None
    """Log-mels of all clips, made once (default: OUT/cache; a training run's are in RUNS/speech/cache)."""
    processes: int = 1
    """Processes that make the log-mels (default 1)."""
    threads: int = 1
    """torch threads (default 1)."""
    overwrite: bool = False
    """Begin anew; the log-mels stay."""

    def begin(self, name: str) -> dict[str, Features]:
        """The log-mels of every corpus. Raises its reader's errors, and `ConfigError` where `out` was begun with
        something else."""
        if self.processes < 1:
            raise ConfigError("--processes must be 1 or more.")
        set_torch(self.threads)
        from trainer.compact.log_mels import all_clips
        from trainer.experiments.results import CACHE, begin
        from trainer.loop.provenance import digests

        found = digests(self.data, ("ravdess", "nemo", "speech"))
        begin(self.out, name, self.config, ("speech",), found, overwrite=self.overwrite)
        stage = read_stage(self.config, "speech", SpeechStage)
        return all_clips(self.data, self.cache or self.out / CACHE, stage, self.processes)


OnFeatures = Annotated[FeatureOptions, Parameter(name="*")]
OnClips = Annotated[ClipOptions, Parameter(name="*")]
Folds = Annotated[
    list[int] | None,
    Parameter(
        consume_multiple=True,
        help="Only these, so that another process takes the others; figures.json is written once all are there.",
    ),
]


@experiments.command
def stage_ablations(*, options: OnFeatures, speech: Path | None = None) -> int:
    """What each part of Stages II and III is worth: context, lag, staging, modality dropout.

    Parameters
    ----------
    speech
        Embeddings of Stage I speech, RUNS/speech/final/embeddings.npz; without them, text alone.
    """
    if speech is not None:
        need(speech, "speech")
    options.begin("stage-ablations", {} if speech is None else {"speech": speech})
    from trainer.experiments.stage_ablations import run

    return _show(run(options.features, speech, options.config, options.out))


@experiments.command
def option_ablations(*, options: OnFeatures, data: Path) -> int:
    """What the options that are off by default are worth in Stage II of the text.

    Parameters
    ----------
    data
        Folder with the corpora, as for `train`; MELD's sentiments are read.
    """
    options.begin("option-ablations", {"meld": data / "meld"})
    from trainer.experiments.option_ablations import run

    return _show(run(options.features, data / "meld", options.config, options.out))


@experiments.command
def ravdess_folds(*, options: OnClips, folds: Folds = None) -> int:
    """RAVDESS, speech alone: six folds, four actors held out in each; the others and all of nEMO train."""
    from trainer.experiments.speech_folds import run

    return _show(run("ravdess", options.config, options.begin("ravdess-folds"), options.out, folds))


@experiments.command
def nemo_folds(*, options: OnClips, folds: Folds = None) -> int:
    """nEMO, speech alone: three folds, three speakers held out in each; the others and all of RAVDESS train."""
    from trainer.experiments.speech_folds import run

    return _show(run("nemo", options.config, options.begin("nemo-folds"), options.out, folds))


@experiments.command
def cross_corpus(*, options: OnClips) -> int:
    """Speech trained on RAVDESS and tested on nEMO, and the other way round, on the six classes that both have."""
    from trainer.experiments.cross_corpus import run

    return _show(run(options.config, options.begin("cross-corpus"), options.out))


def _show(table: list[str]) -> int:
    print("\n".join(table))
    return EXIT_OK
