"""`livemerc-train`: train, evaluate, export. Errors and exit codes as of `livemerc`."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from livemerc import __version__
from livemerc.errors import EXIT_OK, ConfigError

app = App(
    name="livemerc-train",
    version=__version__,
    help="Train and evaluate MERITS-L, the model of livemerc.",
    help_format="plaintext",
    default_parameter=Parameter(negative=(), show_default=False),
)


@app.command
def train(
    config: Path,
    /,
    *,
    data: Path,
    out: Path = Path("runs"),
    stage: Literal["all", "text", "speech", "context"] = "all",
    threads: Annotated[int, Parameter(show_default=True)] = 1,
) -> int:
    """Train the compact model stage by stage; an interrupted stage goes on after its last whole epoch.

    Parameters
    ----------
    config
        For instance configs/compact.toml.
    data
        Folder with the corpora (meld, goemotions, emorynlp, ravdess, nemo, transcripts).
    out
        Folder of the runs.
    stage
        text and speech are Stage I; context is Stages II and III.
    threads
        torch threads.
    """
    import torch

    from trainer import recipe

    if not data.is_dir():
        raise ConfigError(f"--data {data} is no folder; see the README for the corpora it must hold.")
    torch.set_num_threads(threads)
    for name in recipe.STAGES if stage == "all" else (stage,):
        print(f"livemerc-train: stage {name}", file=sys.stderr)
        recipe.run(name, config, data, out)
    return EXIT_OK


@app.command
def evaluate(
    *,
    manifest: Path,
    split: str | None = None,
    checkpoint: Path | None = None,
    lag: int = 0,
    context: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int = 1,
    json: bool = False,
) -> int:
    """Judge a manifest's dialogues as the live monitor would, and print the figures.

    Parameters
    ----------
    manifest
        CSV with dialogue_id, utterance_id, speaker, audio, start_s, end_s, text, emotion, split.
    split
        Only the rows of this split.
    checkpoint
        Folder of a checkpoint (default: the compact one that ships).
    lag
        Later utterances that may still change a label (default 0: judged as soon as it ends).
    context
        Utterances the model sees (default 32).
    device
        Where to compute (default auto).
    threads
        torch threads.
    json
        One JSON object on standard output, and nothing else there.
    """
    if lag < 0:
        raise ConfigError("--lag counts later utterances: 0 or more.")
    if context is not None and not 1 <= context <= 512:
        raise ConfigError("--context must be 1 to 512 utterances.")
    if threads < 1:
        raise ConfigError("--threads must be 1 or more.")
    from trainer.evaluate import evaluate as run

    figures = run(manifest, split, checkpoint, lag, context, device, threads)
    if json:
        print(json_module.dumps(figures))
    else:
        for line in _table(figures):
            print(line)
    return EXIT_OK


@app.command
def export(config: Path, /, *, runs: Path = Path("runs"), out: Path, name: str = "compact-1") -> int:
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

    manifest = recipe.export_checkpoint(config, runs, out, name)
    print(f"{out}: {manifest.id}, temperatures {manifest.temperatures}")
    return EXIT_OK


def _table(figures: dict[str, Any]) -> list[str]:
    lines = [f"{figures['n']} utterances"]
    for branch in ("text", "speech", "fused"):
        m = figures[branch]
        if m is None:
            lines.append(f"{branch:7} no such column in this manifest")
            continue
        lines.append(
            f"{branch:7} weighted F1 {m['weighted_f1']:.4f}  macro F1 {m['macro_f1']:.4f}  UAR {m['uar']:.4f}  "
            f"accuracy {m['accuracy']:.4f}  ECE {m['ece']:.4f}  NLL {m['nll']:.4f}"
        )
    lines.append("fused, per class:")
    for label, c in figures["fused"]["per_class"].items():
        lines.append(
            f"  {label:10} precision {c['precision']:.3f}  recall {c['recall']:.3f}  F1 {c['f1']:.3f}  n {c['support']}"
        )
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `livemerc-train` and `python -m trainer`."""
    from livemerc.cli import call

    sys.exit(call(sys.argv[1:] if argv is None else list(argv), app))


if __name__ == "__main__":
    main()
