"""The figures of `livemerc-train evaluate` as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

BRANCHES = ("text", "speech", "fused")
NAMES = {
    "weighted_f1": "weighted F1", "macro_f1": "macro F1", "uar": "UAR", "accuracy": "accuracy", "ece": "ECE",
    "nll": "NLL",
}  # fmt: skip


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """Everything that the object holds, section by section."""
    spread = figures.get("deviation")
    yield f"{figures['n']} utterances" + (f", mean of {len(figures['checkpoints'])} checkpoints" if spread else "")
    for branch in BRANCHES:
        m = figures[branch]
        if m is None:
            yield f"{branch:7} no such column in this manifest"
            continue
        shown = [
            f"{name} {m[key]:.4f}" + (f" ± {spread[branch][key]:.4f}" if spread else "") for key, name in NAMES.items()
        ]
        yield f"{branch:7} " + "  ".join(shown)
    yield "fused, per class:"
    for label, c in figures["fused"]["per_class"].items():
        deviation = f" ± {spread['fused']['per_class'][label]['f1']:.3f}" if spread else ""
        yield (
            f"  {label:10} precision {c['precision']:.3f}  recall {c['recall']:.3f}  F1 {c['f1']:.3f}{deviation}  "
            f"n {c['support']}"
        )
    for key, section in (
        ("bootstrap", _bootstrap), ("calibration", _calibration), ("calibration_halves", _halves),
        ("against", _against), ("ladder", _ladder), ("figures", _figures),
    ):  # fmt: skip
        if key in figures:
            yield ""
            yield from section(figures[key])


def _present(section: dict[str, Any]) -> list[str]:
    return [b for b in BRANCHES if b in section]


def _bootstrap(section: dict[str, Any]) -> Iterator[str]:
    yield f"95 % intervals, {section['resamples']} resamples of {section['dialogues']} dialogues:"
    for branch in _present(section):
        shown = [f"{NAMES[k]} {low:.3f}-{high:.3f}" for k, (low, high) in section[branch].items()]
        yield f"  {branch:7} " + "  ".join(shown)
    yield "  (a resample repeats rows, which raises ECE: judge ECE by what a calibrated model would show)"


def _calibration(section: dict[str, Any]) -> Iterator[str]:
    yield "ECE, beside what a perfectly calibrated model would show on these rows:"
    for branch in _present(section):
        c = section[branch]
        yield (
            f"  {branch:7} {c['ece']:.4f}   calibrated: {c['mean']:.4f} on average, at most {c['p95']:.4f} in 95 %   "
            f"p {c['p_value']:.3f}"
        )


def _halves(section: dict[str, Any]) -> Iterator[str]:
    yield "temperatures fitted on one half of the dialogues, measured on the other, both ways:"
    for branch in _present(section):
        h = section[branch]
        yield (
            f"  {branch:7} ECE {h['ece']:.4f} ± {h['ece_deviation']:.4f} ({h['splits']} splits)   as shipped "
            f"{h['ece_shipped']:.4f}   perfectly calibrated {h['ece_if_calibrated']:.4f}   both halves together "
            f"{h['ece_whole']:.4f}   NLL {h['nll']:.4f} (shipped {h['nll_shipped']:.4f})   T x {h['temperature']:.3f}"
        )


def _against(section: dict[str, Any]) -> Iterator[str]:
    yield f"other minus this, {section['test']}, {section['resamples']} resamples:"
    for branch in _present(section):
        s = section[branch]
        for key in ("weighted_f1", "macro_f1", "uar", "accuracy", "ece"):
            d = s[key]
            yield (
                f"  {branch:7} {NAMES[key]:11} {d['a']:.4f} -> {d['b']:.4f}  {d['difference']:+.4f} "
                f"[{d['interval'][0]:+.4f}, {d['interval'][1]:+.4f}]  p {d['p_value']:.4f}"
            )
        for label, d in s["per_class"].items():
            low, high = d["interval"]
            yield f"  {branch:7} F1 {label:10} {d['difference']:+.3f} [{low:+.3f}, {high:+.3f}]"
        yield (
            f"  {branch:7} labels differ in {100 * s['rows_that_differ']:.1f} % of rows: this alone right "
            f"{100 * s['only_a_right']:.1f} %, other alone right {100 * s['only_b_right']:.1f} %"
        )


def _ladder(section: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{'rung':14} {'weighted F1':>11} {'lag 0 there':>11} {'rows':>6} {'dialogues':>9}  "
        f"{'wait s p50/p95':>15} {'utterances':>10} {'compute ms':>12}"
    )
    for rung in section["rungs"]:
        if rung["weighted_f1"] is None:
            yield f"{rung['rung']:14} {rung['why']}"
            continue
        latency = rung["latency"]
        yield (
            f"{rung['rung']:14} {rung['weighted_f1']:11.4f} {rung['lag_0_same_rows']:11.4f} {rung['n']:6d} "
            f"{rung['dialogues']:9d}  {_pair(latency['wait_s'], 1):>15} {_pair(latency['wait_utterances'], 0):>10} "
            f"{_pair(latency['compute_ms'], 0):>12}"
        )
    for rung in section["rungs"]:
        if "asr" in rung:
            asr = rung["asr"]
            text = f"{rung['rung']}: {asr['engine']} {asr['model']}, {100 * asr['gated']:.1f} % of its texts screened"
            if "cuts" in rung:
                text += "; " + ", ".join(f"{value} {name}" for name, value in rung["cuts"].items())
            yield text
    low_high = section.get("cost_of_streaming_interval")
    shown = "" if low_high is None else f" [{low_high[0]:+.2f}, {low_high[1]:+.2f}]"
    yield f"cost of streaming (full dialogue minus lag 0): {section['cost_of_streaming_points']:+.2f}{shown} points"


def _pair(values: dict[str, float] | None, digits: int) -> str:
    return "-" if values is None else f"{values['p50']:.{digits}f} / {values['p95']:.{digits}f}"


def _figures(section: list[str]) -> Iterator[str]:
    yield from section
