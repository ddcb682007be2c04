"""`livemerc bench`: what the monitor costs on this machine, stage by stage, on the bundled demo and checkpoint."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from livemerc.bench.measuring import DEMO, Stages, clock, machine, machine_line, over_runs
from livemerc.config import load_config


def main(quick: bool = False, json: bool = False, against: Path | None = None) -> int:
    """Measures and prints a table, or one JSON object. `quick`: one run instead of five, the growth up to utterance
    500. `against`: figures of an earlier `--json`, to which the ratios are printed. Raises `ConfigError`."""
    from livemerc.bench.against import ratio_table, ratios, read_figures

    then = None if against is None else read_figures(against)  # before minutes of measuring
    figures = measure(quick)
    lines = table(figures)
    if then is not None:
        figures["against"] = ratios(figures, then)
        lines += ratio_table(figures, then, figures["against"])
    if json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        for line in lines:
            print(line)
    return 0


def measure(quick: bool = False) -> dict[str, Any]:
    """All figures. Stages in ms (p50, p95, n), start-up in s, memory in MB, growth in ms at utterance 50, 500, 2000."""
    figures: dict[str, Any] = {"machine": machine(), "start_up": start_up(3 if quick else 5)}
    from livemerc.asr.select import choose_engine
    from livemerc.audio.ears import Ears, Utterance
    from livemerc.audio.file_source import FileSource

    config = load_config(environ={})
    source = FileSource(DEMO, speed=0)
    ears = Ears(config, source.rate_hz)
    began = time.perf_counter()
    items = [item for block in source.blocks() for item in ears.feed(block)] + ears.flush()
    heard_s = time.perf_counter() - began
    utterances = [item for item in items if isinstance(item, Utterance)]
    asr = choose_engine(config, demo=True, terminal=False, announce=lambda _: None)
    recognised: Stages = {}
    texts = [clock(recognised, f"ASR ({asr.engine})", asr.transcribe, utterance).text for utterance in utterances]
    asr.close()
    from livemerc.bench import model, naive

    began = time.perf_counter()
    make_dialogue, encoders, figures["machine"]["compute"] = model.load(config)
    figures["start_up"]["model_load_s"] = time.perf_counter() - began
    spoken = [(u.samples[: model.FIVE_S], t or "nothing") for u, t in zip(utterances, texts, strict=True)]
    context = config.dialogue.context
    found = model.measure_model(make_dialogue, encoders, spoken, context, quick)
    computed_s = heard_s + sum(map(sum, recognised.values())) / 1000 + found.pop("pass_s")
    figures["stages_ms"] = over_runs([recognised]) | found.pop("stages_ms")
    figures |= found
    figures["naive"] = naive.compare(make_dialogue, encoders, spoken, context, quick)
    figures["audio_s"] = ears.t_s
    figures["rtf"] = computed_s / ears.t_s
    figures["ears_rtf"] = heard_s / ears.t_s
    figures["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def start_up(repeats: int) -> dict[str, float]:
    """Median wall time of `livemerc --help` and of importing the package, in a fresh interpreter."""

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    out: dict[str, float] = {}
    for name, arguments in {
        "help_s": ("-m", "livemerc", "--help"),
        "import_s": ("-c", "import livemerc"),
        "import_torch_s": ("-c", "import torch, torchaudio"),
    }.items():
        times = []
        for _ in range(repeats):
            began = time.perf_counter()
            run(*arguments)
            times.append(time.perf_counter() - began)
        out[name] = sorted(times)[len(times) // 2]
    return out


def _share(f: dict[str, Any], so_far_s: int) -> float:
    """Of a core, at two partial estimates a second."""
    return float(f["stages_ms"][f"partial estimate ({so_far_s} s so far)"]["p50"]) * 2 / 1000


def table(f: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    s = f["start_up"]
    width = max(map(len, f["stages_ms"]))
    lines = [machine_line(f["machine"]), "", f"{'stage':{width}} {'p50 ms':>9} {'p95 ms':>9} {'n':>5}"]
    for name, v in f["stages_ms"].items():
        lines.append(f"{name:{width}} {v['p50']:9.1f} {v['p95']:9.1f} {v['n']:5.0f}")
    loaded = f["loaded"]
    lines += [
        "",
        f"all cores loaded  encode + fuse takes {loaded['factor_p50']:.1f} times as long (p50), "
        f"{loaded['factor_p95']:.1f} (p95)",
        "",
        f"partial emotion   {_share(f, 5):.1%} of a core while somebody speaks, {_share(f, 12):.1%} after 12 s",
        "",
        "Stage II + III as the session grows (median ms):",
    ]
    lines += [f"  utterance {n:>5}: {v:.2f}" for n, v in f["growth_ms"].items()]
    grown = list(f["growth_ms"].values())
    lines += [
        f"  last / first: {grown[-1] / grown[0]:.2f}",
        "",
        "One more utterance, against the whole dialogue anew (ms):",
    ]
    for n, v in f["naive"]["at"].items():
        lines.append(
            f"  utterance {n:>5}: {v['cached_ms']:.1f} against {v['naive_ms']:.0f}, {v['ratio']:.0f} times cheaper"
        )
    lines += [
        f"  largest difference of a probability in the window: {f['naive']['largest_difference']:.1g}",
        "",
        f"real-time factor  {f['rtf']:.3f} with ASR, {f['ears_rtf']:.4f} the ears alone "
        f"({f['audio_s']:.0f} s of audio)",
        f"start-up          --help {s['help_s']:.2f} s, import livemerc {s['import_s']:.2f} s, "
        f"torch {s['import_torch_s']:.2f} s, model {s['model_load_s']:.2f} s",
        f"peak memory       {f['peak_rss_mb']:.0f} MB",
    ]
    return lines
