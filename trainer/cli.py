"""The command line `livemerc-train`: flags and one call each. Errors and exit codes are those of `livemerc`."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from livemerc import __version__
from livemerc.errors import EXIT_OK, ConfigError
from trainer.evaluation.options import EvaluateOptions
from trainer.experiments.commands import experiments
from trainer.loop.options import TrainOptions
from trainer.loop.torch_settings import set_torch
from trainer.pseudo_labels.options import PseudoLabelOptions

app = App(
    name="livemerc-train",
    version=__version__,
    help="Train and evaluate MERITS-L, the model of livemerc.",
    help_format="plaintext",
    default_parameter=Parameter(negative=(), show_default=False),
)
app.command(experiments)


_TRAIN, _EVALUATE = TrainOptions(), EvaluateOptions()
"""What holds where no flag is given; both are frozen."""


@app.command
def prepare(
    corpus: str,
    path: Path,
    /,
    *,
    labels: str | None = None,
    audio: Path | None = None,
    fold: int | None = None,
    zero: str | None = None,
    several: str | None = None,
    split_file: Path | None = None,
    dialogues: str | None = None,
    decode: bool = False,
    max_bad_share: float = 0.05,
    allow_shared_speakers: bool = False,
    manifest: Path | None = None,
    json: bool = False,
) -> int:
    """Read a corpus and show what is in it: dialogues, utterances, hours, classes, missing files, shared speakers.

    Parameters
    ----------
    corpus
        meld, iemocap, mosi, ravdess, nemo, emorynlp, goemotions, emodb, emovo, emotiontts, rakshak, ased, emogator,
        readers or manifest.
    path
        Folder of the corpus' release; of manifest, the CSV file.
    labels
        iemocap: 4 (default) or 6; emorynlp: own (default) or ours; manifest: names, separated by commas.
    audio
        meld, mosi: folder of the audio or video (default: sought in PATH).
    fold
        ravdess: 1 to 6, nemo: 1 to 3; the speakers that are held out as test.
    zero
        mosi: what a score of 0 counts as: positive (default), negative or drop.
    several
        goemotions: of several labels take the first (default), or drop the comment.
    split_file
        mosi: CSV of video_id,split instead of the standard folds.
    dialogues
        emodb to readers: clips (default), or speakers, one dialogue of each speaker's clips in a random order.
    decode
        Decode all audio, not only its headers and first frames.
    max_bad_share
        Share of the audio that may be missing or undecodable (default 0.05); more is an error.
    allow_shared_speakers
        Accept speakers that are in two splits.
    manifest
        Write the labelled utterances to this CSV, which `evaluate` reads.
    json
        One JSON object on standard output, and nothing else there.
    """
    from livemerc.errors import InputError
    from trainer import prepare as room

    given = {
        "labels": labels, "audio": audio, "fold": fold, "zero": zero, "several": several, "split_file": split_file,
        "dialogues": dialogues,
    }  # fmt: skip
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if corpus == "manifest" and labels is not None:
        options["labels"] = [label.strip() for label in labels.split(",")]
    figures = room.prepare(
        corpus,
        path,
        options,
        decode=decode,
        max_bad_share=max_bad_share,
        allow_shared_speakers=allow_shared_speakers,
        progress=not json,
        manifest=manifest,
    )
    for line in [json_module.dumps(figures)] if json else room.table(figures):
        print(line)
    if figures["errors"]:
        raise InputError(figures["errors"][0])
    return EXIT_OK


@app.command
def train(
    config: Path,
    /,
    *,
    data: Path,
    out: Path = Path("runs"),
    options: Annotated[TrainOptions, Parameter(name="*")] = _TRAIN,
    deterministic: bool = False,
    threads: Annotated[int, Parameter(show_default=True)] = 1,
) -> int:
    """Train stage by stage. The same command again goes on where the last one stopped; finished stages are kept.

    Several GPUs: `accelerate launch -m trainer train ...` or `torchrun --nproc-per-node N -m trainer train ...`.

    Parameters
    ----------
    config
        For instance configs/compact.toml or configs/merits-l-iemocap.toml.
    data
        compact: folder with the corpora (meld, goemotions, emorynlp, transcripts, and those of [voice]). merits-l:
        folder of the configuration's corpus.
    out
        Folder of the runs.
    deterministic
        Ask torch for deterministic algorithms: slower on a GPU, equal to the last bit on the same machine.
    threads
        torch threads; compact: also the processes that make voice statistics.
    """
    if not data.exists():
        raise ConfigError(f"--data {data} is not there; see the README for the corpora it must hold.")
    set_torch(threads, deterministic=deterministic)
    from trainer.recipe import train as run

    run(config, data, out, options)
    return EXIT_OK


@app.command
def evaluate(
    *,
    manifest: Path,
    checkpoint: list[Path] | None = None,
    options: Annotated[EvaluateOptions, Parameter(name="*")] = _EVALUATE,
    json: bool = False,
) -> int:
    """Judge a manifest's dialogues as the live monitor would, and print the figures.

    Parameters
    ----------
    manifest
        CSV with dialogue_id, utterance_id, speaker, audio, start_s, end_s, text, emotion, split. Rows without an
        emotion whose split is `context` are heard and not judged.
    checkpoint
        Folder of a checkpoint (default: the compact one that ships). Given several times = seeds: mean and deviation.
    json
        One JSON object on standard output, and nothing else there.
    """
    from trainer.evaluation.command import run
    from trainer.evaluation.tables import lines

    found = run(manifest, checkpoint or [None], options)
    for line in [json_module.dumps(found)] if json else lines(found):
        print(line)
    return EXIT_OK


@app.command
def confusions(
    *,
    data: Path,
    small: Path,
    large: Path,
    out: Path,
    spoken: Annotated[int, Parameter(show_default=True)] = 300,
    versions: Annotated[int, Parameter(show_default=True)] = 1,
    seed: Annotated[int, Parameter(show_default=True)] = 0,
) -> int:
    """Write what two recognisers take for what in rooms, noise and telephone bands: what the text misheard is made by.

    Parameters
    ----------
    data
        Folder with librispeech, read, readers and meld.
    small, large
        Folders of two Whispers in CTranslate2's format. Where nobody wrote down what was said, it is what the large one
        hears undisturbed.
    out
        The table; the one that ships is trainer/corpora/confusions.json.
    spoken
        Lines of MELD that flite says beside the readers: readers never say "y'know".
    versions
        Disturbed copies of each piece.
    """
    from trainer.compact import confusions as room

    words = room.run(data, small, large, out, spoken, versions, seed, lambda said: print(said, file=sys.stderr))
    print(f"{out}: {words} words that were misheard.")
    return EXIT_OK


@app.command(name="measure-embedder")
def measure_embedder(
    embedder: str,
    /,
    *,
    data: Path,
    corpora: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    out: Path | None = None,
    threads: Annotated[int, Parameter(show_default=True)] = 1,
) -> int:
    """Measure centre, scale and limits of a speaker embedder beside GE2E, so that `speakers.embedder` may name it.

    Parameters
    ----------
    embedder
        speaker or speaker-campplus, as `livemerc models pull` fetched it, or an ONNX file of the same shape.
    data
        Folder of readers: a folder each, with audio in it (LibriSpeech's test-clean is one); eight or more of them.
    corpora
        Read these of `data` instead, which then holds the corpora as for `train`, for instance librispeech.
    out
        The JSON file (default: in the user's data folder, where it is found; beside the network as FILE.scale.json it
        is found, too).
    threads
        torch threads.
    """
    from trainer.corpora.voices import known

    known(corpora or ())
    set_torch(threads)
    from trainer.speakers.embedder_scale import run

    path, rows = run(embedder, data, corpora or (), out)
    print("\n".join([*rows, f"{path}: `speakers.embedder` may name it now."]))
    return EXIT_OK


@app.command(name="teach-overlaps")
def teach_overlaps(
    *,
    data: Path,
    out: Path,
    mixtures: Annotated[int, Parameter(show_default=True)] = 5000,
    epochs: Annotated[int, Parameter(show_default=True)] = 5,
    seed: Annotated[int, Parameter(show_default=True)] = 0,
    threads: Annotated[int, Parameter(show_default=True)] = 1,
) -> int:
    """Teach the network that marks where several speak at once (livemerc/weights/speakers: overlap.safetensors and
    overlap.json), from mixtures of the corpora's voices in rooms and on lines.

    Parameters
    ----------
    data
        Folder with the corpora, as for `train`: readers, ravdess, nemo, emovo, rakshak, emogator, speech.
    out
        Folder of the run and of both files.
    mixtures
        Pieces of 2 to 10 s that it learns from.
    threads
        torch threads.
    """
    set_torch(threads)
    from trainer.speakers.overlap_training import run

    print("\n".join([*run(data, out, mixtures=mixtures, epochs=epochs, seed=seed), f"{out}: done."]))
    return EXIT_OK


@app.command(name="pseudo-label")
def pseudo_label(
    source: Path, /, *, options: Annotated[PseudoLabelOptions, Parameter(name="*")], json: bool = False
) -> int:
    """Let a teacher label texts, or the speech of a folder, as positive, negative or neutral (MERITS-L, section 3.1).

    Resumable: the same command asks only for what has no answer yet.

    Parameters
    ----------
    source
        A table (.csv, .tsv), .jsonl or .txt file, a folder of audio, or with --corpus the corpus itself.
    json
        The summary as one JSON object on standard output.
    """
    from trainer.pseudo_labels.command import run

    summary, lines = run(source, options)
    for line in [json_module.dumps(summary)] if json else lines:
        print(line)
    return EXIT_OK


@app.command
def export(config: Path, /, *, runs: Path = Path("runs"), out: Path, name: str = "compact") -> int:
    """Write a checkpoint folder (safetensors + JSON) from finished runs; temperatures are fitted on dev.

    Parameters
    ----------
    config
        The configuration that the runs were made with.
    runs
        Folder of the runs.
    out
        Folder of the checkpoint.
    name
        Its id, shown in every session.
    """
    from trainer import recipe

    manifest = recipe.export_run(config, runs, out, name)
    print(f"{out}: {manifest.id}, temperatures {manifest.temperatures}")
    return EXIT_OK


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `livemerc-train` and `python -m trainer`."""
    from livemerc.cli import call

    sys.exit(call(sys.argv[1:] if argv is None else list(argv), app))


if __name__ == "__main__":
    main()
