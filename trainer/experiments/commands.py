"""`livemerc-train experiment NAME`: flags and one call each. A new experiment is a module here and a command below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from livemerc.config import DialogueConfig
from livemerc.errors import EXIT_OK, ConfigError
from trainer.compact.config import VoiceStage, read_stage
from trainer.compact.stages import VOICES, need
from trainer.loop.torch_settings import set_torch

if TYPE_CHECKING:
    from trainer.compact.voice import Everything

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
class VoiceOptions:
    """What the experiments on voices share."""

    data: Path
    """Folder with the corpora, as for `train`."""
    out: Path
    """Folder of the experiment."""
    config: Path = Path("configs/compact.toml")
    """The compact recipe's configuration; its section [voice] is read."""
    cache: Path | None = None
    """Voice statistics of all clips, made once (default: OUT/cache; a training run's are in RUNS/voice/cache)."""
    processes: int = 1
    """Processes that make the statistics (default 1)."""
    threads: int = 1
    """torch threads (default 1)."""
    overwrite: bool = False
    """Begin anew; the statistics stay."""

    def begin(self, name: str, needed: Sequence[str]) -> Everything:
        """The statistics of the corpora. Raises their readers' errors, and `ConfigError` where `out` was begun with
        something else."""
        if self.processes < 1:
            raise ConfigError("--processes must be 1 or more.")
        set_torch(self.threads)
        from trainer.compact.voice import all_voices, training_corpora
        from trainer.experiments.results import CACHE, begin
        from trainer.loop.provenance import digests

        stage = read_stage(self.config, "voice", VoiceStage)
        needed = [*training_corpora(stage), *needed]
        found = digests(self.data, VOICES)
        begin(self.out, name, self.config, ("voice",), found, overwrite=self.overwrite)
        return all_voices(stage, self.data, self.cache or self.out / CACHE, needed, self.processes)


OnFeatures = Annotated[FeatureOptions, Parameter(name="*")]
OnVoices = Annotated[VoiceOptions, Parameter(name="*")]
Only = Annotated[
    list[str] | None,
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
        need(speech, "voice")
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
def left_out_corpora(
    *, options: OnVoices, seeds: int = 3, with_ased: bool = False, against: Path | None = None, only: Only = None
) -> int:
    """The voice on corpora that it never heard, cold and with a baseline of each speaker, beside a plain regression.

    Parameters
    ----------
    seeds
        Trainings of each corpus that is left out (default 3).
    with_ased
        Train on ased too, which states no licence: for this table only.
    against
        Folder of a checkpoint with a log-mel encoder (compact-2), which is judged beside them.
    """
    from trainer.experiments.left_out import Settings, run

    everything = options.begin("left-out-corpora", ["ased"] if with_ased else [])
    return _show(run(options.config, everything, options.out, Settings(seeds, with_ased, against), only))


@experiments.command
def fusion_options(*, options: OnFeatures, speech: Path) -> int:
    """What the options of Stage III that are off by default are worth: clean, half corrupted, error by uncertainty.

    Parameters
    ----------
    speech
        Embeddings of Stage I speech, RUNS/voice/final/embeddings.npz.
    """
    need(speech, "voice")
    options.begin("fusion-options", {"speech": speech})
    from trainer.experiments.fusion_options import run

    return _show(run(options.features, speech, options.config, options.out))


@experiments.command
def dialogue_decoder(
    *,
    data: Path,
    out: Path,
    checkpoint: Annotated[list[Path] | None, Parameter(consume_multiple=True)] = None,
    lag: int = 2,
    threads: int = 1,
) -> int:
    """What dialogical decoding adds to the words of MELD dev, at lag 0 and at a lag.

    Parameters
    ----------
    data
        Folder with the corpora, as for `train`; MELD is read.
    out
        Folder of the experiment.
    checkpoint
        Folders of checkpoints, one a seed (default: the one that ships).
    lag
        Later utterances that may still change a label (default 2).
    threads
        torch threads (default 1).
    """
    if not 0 <= lag < DialogueConfig().context:
        raise ConfigError(f"--lag counts later utterances in the window: 0 to {DialogueConfig().context - 1}.")
    set_torch(threads)
    from trainer.experiments.dialogue_decoder import run

    return _show(run(checkpoint or [None], data / "meld", lag, out))


@experiments.command
def read_prose(
    *,
    data: Path,
    out: Path,
    checkpoint: Annotated[list[Path] | None, Parameter(consume_multiple=True)] = None,
    piece_s: float = 6.0,
    threads: int = 1,
) -> int:
    """Whether prose that is read aloud stays neutral, by its words as the recogniser hears them, its voice, and both.

    Parameters
    ----------
    data
        Folder with the corpora, as for `train`; LibriSpeech, LJSpeech and LibriVox are read.
    out
        Folder of the experiment.
    checkpoint
        Folders of checkpoints (default: the one that ships).
    piece_s
        Seconds of a piece (default 6).
    threads
        torch threads (default 1).
    """
    if not piece_s >= 2:
        raise ConfigError("--piece-s must be 2 or more: of less there are no words.")
    set_torch(threads)
    from trainer.experiments.read_prose import run

    return _show(run(checkpoint or [None], data, piece_s, out))


@experiments.command
def speakers(
    *,
    data: Path,
    out: Path,
    corpora: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    conversations: int = 9,
    turns: int = 20,
    embedder: str = "ge2e",
    seed: int = 0,
    threads: int = 1,
) -> int:
    """How well speakers are told apart by their voices, in conversations of two to four that are made of clips.

    Parameters
    ----------
    data
        Folder with the corpora, as for `train`.
    out
        Folder of the experiment.
    corpora
        Whose voices (default: librispeech and emodb).
    conversations
        Of each corpus (default 9).
    turns
        Of each conversation (default 20).
    embedder
        As in `speakers.embedder`: ge2e (default), speaker, speaker-campplus or an ONNX file.
    seed
        Of the drawing (default 0).
    threads
        torch threads (default 1).
    """
    from trainer.corpora.voices import known

    chosen = known(corpora or ["librispeech", "emodb"])
    if conversations < 1 or turns < 1:
        raise ConfigError("--conversations and --turns must be 1 or more.")
    set_torch(threads)
    from trainer.experiments.speakers import run

    return _show(run(data, chosen, out, conversations=conversations, turns=turns, seed=seed, embedder=embedder))


@experiments.command
def overlaps(
    *,
    data: Path,
    out: Path,
    corpora: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    conversations: int = 9,
    turns: int = 20,
    seed: int = 0,
    threads: int = 1,
) -> int:
    """How well it is marked where several speak at once: a call, meetings, and conversations that are made of clips.

    Parameters
    ----------
    data
        Folder with the corpora, as for `train`; of `speech` call and meetings are read.
    out
        Folder of the experiment.
    corpora
        Whose voices (default: librispeech and emodb).
    conversations
        Of each corpus (default 9).
    turns
        Of each conversation (default 20).
    seed
        Of the drawing (default 0).
    threads
        torch threads (default 1).
    """
    from trainer.corpora.voices import known

    chosen = known(corpora or ["librispeech", "emodb"])
    if conversations < 1 or turns < 1:
        raise ConfigError("--conversations and --turns must be 1 or more.")
    set_torch(threads)
    from trainer.experiments.overlaps import run

    return _show(run(data, chosen, out, conversations=conversations, turns=turns, seed=seed))


@experiments.command
def voiceprints(
    *,
    data: Path,
    out: Path,
    conversations: int = 9,
    embedder: str = "ge2e",
    seed: int = 0,
    threads: int = 1,
) -> int:
    """How often an enrolled voice is called by its name, and a stranger by somebody's: LibriSpeech's readers.

    Parameters
    ----------
    data
        Folder with the corpora, as for `train`.
    out
        Folder of the experiment.
    conversations
        Of three people, one of whom is a stranger (default 9).
    embedder
        As in `speakers.embedder`: ge2e (default), speaker, speaker-campplus or an ONNX file.
    seed
        Of the drawing (default 0).
    threads
        torch threads (default 1).
    """
    if conversations < 1:
        raise ConfigError("--conversations must be 1 or more.")
    set_torch(threads)
    from trainer.experiments.voiceprints import run

    return _show(run(data, out, conversations=conversations, seed=seed, asked=embedder))


@experiments.command
def usual_voice(
    *,
    data: Path,
    out: Path,
    corpora: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    speakers: int = 12,
    orders: int = 5,
    seed: int = 0,
    threads: int = 1,
) -> int:
    """What an enrolled usual voice is worth: the voice's labels where baselines begin cold, and where with it.

    Parameters
    ----------
    data
        Folder with the corpora, as for `train`.
    out
        Folder of the experiment.
    corpora
        Of `ravdess`, `ased`, `librispeech` and the other corpora of voices (default: these three).
    speakers
        Of each corpus at most, of those whom no stage heard (default 12).
    orders
        In which each one's clips are said (default 5).
    seed
        Of the drawing (default 0).
    threads
        torch threads (default 1).
    """
    if speakers < 1 or orders < 1:
        raise ConfigError("--speakers and --orders must be 1 or more.")
    set_torch(threads)
    from trainer.corpora.voices import known
    from trainer.experiments.usual_voice import CORPORA, run

    chosen = known(corpora or CORPORA)
    return _show(run(data, chosen, out, speakers=speakers, orders=orders, seed=seed))


def _show(table: list[str]) -> int:
    print("\n".join(table))
    return EXIT_OK
