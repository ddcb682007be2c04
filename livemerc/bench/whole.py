"""`livemerc bench`: how long somebody who speaks waits, and what each stage costs on this machine, on the bundled demo.

Two kinds of rows. Computation-aware: by the clock on the wall, what the user waits. Computation-unaware: the latency
that the method itself asks for (the endpoint wait), whatever the machine. The stages are computation alone.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livemerc.bench.measuring import DEMO, Stages, clock, machine, machine_line, over, over_runs, progress
from livemerc.config import Config, load_config
from livemerc.errors import ConfigError
from livemerc.text_safety import plain_text

if TYPE_CHECKING:
    from livemerc.audio.items import Utterance

STREAMS_S, STREAMS_QUICK_S = 20.0, 8.0


def main(
    quick: bool = False,
    json: bool = False,
    against: Path | None = None,
    streams: int | None = None,
    model: str | None = None,
    repeats: int = 1,
) -> int:
    """Measures and prints a table, or one JSON object. `quick`: one run instead of five, the growth up to utterance
    500, the demo's first 25 s, and live the user's recogniser alone. `against`: figures of an earlier `--json`, to
    which the ratios are printed. `streams`, `model` (a Whisper at hand) and `repeats` are those of the benchmarks
    `streams` and `live`. Raises `ConfigError`."""
    from livemerc.bench import live
    from livemerc.bench import streams as many
    from livemerc.bench.against import missing, ratio_table, ratios, read_figures

    then = None if against is None else read_figures(against)  # before minutes of measuring
    if quick and model is not None:
        raise ConfigError(
            "--model and --quick exclude each other: with --quick no second Whisper is heard; leave one out."
        )
    live.check(model, repeats)
    many.check(streams)
    figures = measure(quick, many.STREAMS if streams is None else streams, model, repeats)
    lines = table(figures)
    if then is not None:
        found = ratios(figures, then)
        lines += ratio_table(figures, then, found)
        figures["against"] = found
        figures["not_in_earlier"] = missing(figures, then)
    if json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        for line in lines:
            print(line)
    return 0


def measure(quick: bool, streams: int, model: str | None, repeats: int) -> dict[str, Any]:
    """All figures: `start_up` (s), `start` and `live` as `livemerc.bench.live` gives them, `streams` as
    `livemerc.bench.streams` does; stages in ms (p50, p95, n), memory in MB, growth in ms at utterance 50, 500, 2000."""
    from livemerc.bench import live
    from livemerc.bench import streams as many

    minutes = "a minute and a half" if quick else f"{3 + 6 * repeats} minutes"
    progress(f"this takes about {minutes}; it measures best on a machine that does nothing else")
    config = load_config()
    figures: dict[str, Any] = {"machine": machine(), "quick": quick}
    progress("imports, in fresh processes")
    figures["start_up"] = start_up(1 if quick else 3)
    progress("from the start of the program to listening")
    figures["start"] = live.start(1 if quick else 3, DEMO)
    figures |= _stages(config, quick, figures)
    seconds, runs = (STREAMS_QUICK_S, 1) if quick else (STREAMS_S, 3)
    figures["streams"] = many.measure(streams, seconds, runs, config)
    most_s = live.QUICK_S if quick else None
    windows = () if model is None else ("adaptive",)
    figures["live"] = live.measure_rows([DEMO], config, model or live.WHISPER, windows, most_s, repeats)
    return figures


def _stages(config: Config, quick: bool, figures: dict[str, Any]) -> dict[str, Any]:
    """What is computed for the demo's utterances, one after the other."""
    from livemerc.asr.select import choose_engine
    from livemerc.bench import live, model, naive
    from livemerc.model.checkpoint import read_manifest

    progress("the recogniser, on each utterance of the conversation")
    began = time.perf_counter()
    utterances, audio_s = _hear(config, live.QUICK_S if quick else None)
    heard_s = time.perf_counter() - began
    asr = choose_engine(config, announce=lambda _: None)
    recognised: Stages = {}
    texts = [clock(recognised, f"ASR ({asr.engine})", asr.transcribe, utterance).text for utterance in utterances]
    asr.close()
    began = time.perf_counter()
    make_dialogue, encoders, figures["machine"]["compute"] = model.load(config)
    figures["start_up"]["model_load_s"] = time.perf_counter() - began
    spoken = [(u.samples[: model.FIVE_S], t or "nothing") for u, t in zip(utterances, texts, strict=True)]
    context = config.dialogue.context
    found = model.measure_model(make_dialogue, encoders, spoken, context, quick)
    computed_s = heard_s + sum(map(sum, recognised.values())) / 1000 + found.pop("pass_s")
    stages = over_runs([recognised]) | found.pop("stages_ms")
    progress("one more utterance, against the whole dialogue anew")
    return {
        "checkpoint": read_manifest(config.model.checkpoint).id,
        "stages_ms": stages,
        **found,
        "naive": naive.compare(make_dialogue, encoders, spoken, context, quick),
        "audio_s": audio_s,
        "rtf": computed_s / audio_s,
        "ears_rtf": heard_s / audio_s,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _hear(config: Config, most_s: float | None) -> tuple[list[Utterance], float]:
    """The demo's utterances, of its first `most_s` alone, and its seconds."""
    from livemerc.audio.ears import Ears
    from livemerc.audio.file_source import FileSource
    from livemerc.audio.items import Utterance

    source = FileSource(DEMO, speed=0)
    ears = Ears(config, source.rate_hz)
    items = []
    for block in source.blocks():
        if most_s is not None and block.start_s >= most_s:
            source.close()
        items += ears.feed(block)
    items += ears.flush()
    return [item for item in items if isinstance(item, Utterance)], ears.t_s


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
    from livemerc.bench import live
    from livemerc.bench import streams as many

    stretch = f"the demo's first {live.QUICK_S:.0f} s" if f["quick"] else "the demo"
    s = f["start_up"]
    return [
        machine_line(f["machine"]),
        f"{stretch}, checkpoint {plain_text(f['checkpoint'])}",
        "",
        "What somebody who speaks waits for",
        *live.row_lines(f["live"]),
        *(["a Whisper in another window: not with --quick"] if f["quick"] else []),
        "",
        *live.start_lines(f["start"]),
        f"  --help {s['help_s']:.2f} s, import livemerc {s['import_s']:.2f} s, torch {s['import_torch_s']:.2f} s, "
        f"the model's weights {s['model_load_s']:.2f} s",
        f"memory: that session at most {f['start']['rss_mb']:.0f} MB; the stages below {f['peak_rss_mb']:.0f} MB",
        "",
        *many.lines(f["streams"]),
        "",
        f"Computation alone, no wait in it ({over(1 if f['quick'] else 5)} after a warm-up)",
        *_stage_lines(f),
    ]


def _stage_lines(f: dict[str, Any]) -> list[str]:
    width = max(map(len, f["stages_ms"]))
    lines = [f"{'stage':{width}} {'p50 ms':>9} {'p95 ms':>9} {'n':>5}"]
    for name, v in f["stages_ms"].items():
        lines.append(f"{name:{width}} {v['p50']:9.1f} {v['p95']:9.1f} {v['n']:5.0f}")
    loaded = f["loaded"]
    lines += [
        "",
        f"all cores loaded  encode + fuse takes {loaded['factor_p50']:.1f} times as long (p50), "
        f"{loaded['factor_p95']:.1f} (p95)",
        f"partial emotion   {_share(f, 5):.1%} of a core while somebody speaks, {_share(f, 12):.1%} after 12 s",
        f"real-time factor  {f['rtf']:.3f} with ASR, {f['ears_rtf']:.4f} the ears alone "
        f"({f['audio_s']:.0f} s of audio)",
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
    return [*lines, f"  largest difference of a probability in the window: {f['naive']['largest_difference']:.1g}"]
