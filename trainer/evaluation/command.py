"""What `livemerc-train evaluate` prints: the contract's object, and what further flags add to it."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from livemerc.errors import ConfigError
from trainer.corpora.writings import read_confusions, writer
from trainer.evaluation.bootstrap import Tally, bootstrap
from trainer.evaluation.evaluate import Evaluation, Judgement
from trainer.evaluation.options import EvaluateOptions
from trainer.loop.metrics import calibration_floor, expected_calibration_error

DEFAULT_RESAMPLES = 2000
"""Resamples of `--against` where `--bootstrap` gives no number."""


def run(manifest: Path, checkpoints: Sequence[Path | None], options: EvaluateOptions) -> dict[str, Any]:
    """One checkpoint gives the contract's object. Several are seeds of one recipe: they give the same object with means
    over them, "deviation" (s.d. with n - 1) in the same form, and "checkpoints", each one's own object. Further keys
    come only where they are asked for:

    - `bootstrap`: "bootstrap" {"resamples", "seed", "dialogues", branch: {figure: [2.5 %, 97.5 %]}};
    - `bootstrap`, `figures` or `calibration_halves`: "calibration" {branch: {"ece", "mean", "p95", "p_value"}}, what
      ECE a perfectly calibrated model would show here (one a checkpoint where there are several);
    - `calibration_halves`, `against`, `ladder`: see `calibration_halves`, `paired.compare`, `ladder`;
    - `figures`: the files written.

    Raises `LivemercError`.
    """
    options.check(len(checkpoints))

    def encoded(checkpoint: Path | None) -> Evaluation:
        write = writer(options.writing, read_confusions(), random.Random(options.seed))
        return Evaluation(manifest, options.split, checkpoint, options.context, options.device, options.threads, write)

    judgements: list[Judgement] = []
    evaluation: Evaluation | None = None
    for path in checkpoints:
        evaluation = None  # one model in memory at a time
        evaluation = encoded(path)
        judgements.append(evaluation.judgement(options.lag or 0))
        if judgements[-1].labels != judgements[0].labels:
            raise ConfigError(f"--checkpoint {path}: its labels are not those of the first; evaluate it by itself.")
    _remark(judgements[0])
    objects = [_object(j, options) for j in judgements]
    found = objects[0] if len(objects) == 1 else _over_seeds(objects, checkpoints)
    if options.bootstrap is not None:
        found["bootstrap"] = _intervals(judgements, options.bootstrap, options.seed)
    if options.figures is not None:
        found["figures"] = _draw(options.figures, judgements, objects, checkpoints, manifest, options)
    if options.against is not None:
        from trainer.evaluation.paired import compare

        other = encoded(options.against).judgement(options.lag or 0)
        found["against"] = compare(judgements[0], other, options.bootstrap or DEFAULT_RESAMPLES, options.seed)
    if options.ladder:
        assert evaluation is not None
        from trainer.evaluation.ladder import ladder

        found["ladder"] = ladder(evaluation.without_context(), options, announce)
    return found


def announce(sentence: str) -> None:
    """A remark on stderr: standard output is for the figures."""
    print(f"livemerc-train: {sentence}", file=sys.stderr)


def _remark(judgement: Judgement) -> None:
    present = np.unique(judgement.truth)
    if len(present) == 1:
        announce(
            f"these rows hold one class only ({judgement.labels[present[0]]}): UAR is its recall, and no figure here "
            "tells the model from one that always says it."
        )


def _object(judgement: Judgement, options: EvaluateOptions) -> dict[str, Any]:
    found = judgement.figures()
    if options.bootstrap is not None or options.figures is not None or options.calibration_halves:
        found["calibration"] = _floors(judgement, options.seed)
    if options.calibration_halves:
        from trainer.evaluation.calibration_halves import calibration_halves

        found["calibration_halves"] = calibration_halves(judgement, options.seed)
    return found


def _floors(judgement: Judgement, seed: int) -> dict[str, dict[str, float]]:
    found = {}
    for name, probabilities in judgement.branches().items():
        ece = expected_calibration_error(probabilities, judgement.truth)
        found[name] = {"ece": ece, **asdict(calibration_floor(probabilities, ece, seed))}
    return found


def _over_seeds(objects: list[dict[str, Any]], checkpoints: Sequence[Path | None]) -> dict[str, Any]:
    branches = ("text", "speech", "fused")
    plain = [{k: o[k] for k in (*branches, "n", "labels")} for o in objects]
    found = _merged(plain, lambda x: float(np.mean(x)))
    spread = _merged(plain, lambda x: float(np.std(x, ddof=1)))
    found["deviation"] = {name: spread[name] for name in branches}
    if "calibration_halves" in objects[0]:
        found["calibration_halves"] = _merged([o["calibration_halves"] for o in objects], lambda x: float(np.mean(x)))
    found["checkpoints"] = [{"checkpoint": str(p or "bundled"), **o} for p, o in zip(checkpoints, objects, strict=True)]
    return found


def _merged(trees: list[Any], how: Any) -> Any:
    """Dictionaries of the same form -> one, `how` applied to the floats; what is no float (counts, names) is alike."""
    first = trees[0]
    if isinstance(first, dict):
        return {key: _merged([tree[key] for tree in trees], how) for key in first}
    return how(trees) if isinstance(first, float) else first


def _intervals(judgements: list[Judgement], resamples: int, seed: int) -> dict[str, Any]:
    first = judgements[0]
    found: dict[str, Any] = {"resamples": resamples, "seed": seed, "dialogues": int(first.dialogue.max()) + 1}
    for name in first.branches():
        tallies = [Tally.of(j.branches()[name], j.truth, j.dialogue) for j in judgements]
        found[name] = bootstrap(tallies, resamples, seed)
    return found


def _draw(
    folder: Path,
    judgements: list[Judgement],
    objects: list[dict[str, Any]],
    checkpoints: Sequence[Path | None],
    manifest: Path,
    options: EvaluateOptions,
) -> list[str]:
    from trainer.evaluation.figures import draw

    written: list[Path] = []
    for number, (judgement, path) in enumerate(zip(judgements, checkpoints, strict=True), start=1):
        own = folder if len(judgements) == 1 else folder / str(number)
        what = f"{'bundled checkpoint' if path is None else path.name}, {manifest.name}"
        what += "" if options.split is None else f" ({options.split})"
        what += f", lag {options.lag or 0}"
        branches = judgement.branches()
        if len(branches) == 2:  # one modality: its branch is what is fused
            branches = {"fused": judgement.fused}
        for name, probabilities in branches.items():
            figures = objects[number - 1][name]
            floor = calibration_floor(probabilities, figures["ece"], options.seed)
            written += draw(own, name, probabilities, judgement.truth, judgement.labels, figures, floor, what)
    return [str(path) for path in written]
