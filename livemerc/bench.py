"""`livemerc bench`: what the monitor costs on this machine, stage by stage, on the bundled demo and checkpoint."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from livemerc.config import SAMPLE_RATE_HZ, Config, load_config

DEMO = Path(__file__).resolve().parent / "demo" / "demo.flac"
GROWTH_AT = (50, 500, 2000)


def main(quick: bool = False, json: bool = False) -> int:
    """Measures and prints a table, or one JSON object. `quick`: fewer repetitions, the growth up to utterance 500."""
    figures = measure(quick)
    if json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        for line in table(figures):
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
    stages: dict[str, list[float]] = {}
    texts = []
    for utterance in utterances:
        texts.append(_clock(stages, f"ASR ({asr.engine})", asr.transcribe, utterance).text)
    asr.close()
    _model_stages(config, utterances, texts, stages, quick, figures)
    computed_s = heard_s + sum(sum(v) for k, v in stages.items() if k.startswith("ASR")) / 1000
    computed_s += figures.pop("pass_s")
    figures["stages_ms"] = {name: _percentiles(values) for name, values in stages.items()}
    figures["audio_s"] = ears.t_s
    figures["rtf"] = computed_s / ears.t_s
    figures["ears_rtf"] = heard_s / ears.t_s
    figures["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def _model_stages(
    config: Config,
    utterances: list[Any],
    texts: list[str],
    stages: dict[str, list[float]],
    quick: bool,
    out: dict[str, Any],
) -> None:
    import torch

    from livemerc.dialogue import Cues, Dialogue
    from livemerc.model.checkpoint import read_manifest
    from livemerc.model.encoders import choose_device, load_model

    began = time.perf_counter()
    device = choose_device(config.model.device)
    model, encoders = load_model(None, device, config.model.threads)
    out["start_up"]["model_load_s"] = time.perf_counter() - began
    out["machine"]["compute"] = f"{device}, {config.model.threads} torch thread"
    abstention = read_manifest(None).abstention
    short = [(u.samples[: 5 * SAMPLE_RATE_HZ], t or "nothing") for u, t in zip(utterances, texts, strict=True)]
    for samples, text in short[:2]:  # warm-up: first calls allocate and pick kernels
        encoders.text([text])
        encoders.speech(samples)
    repeats = 1 if quick else 5
    out["pass_s"] = 0.0
    for number in range(repeats):
        dialogue = Dialogue(model, config.dialogue, abstention)
        began = time.perf_counter()
        for i, (samples, text) in enumerate(short):
            start = time.perf_counter()
            t1 = _clock(stages, "text encoder", encoders.text, [text])[0]
            s1 = _clock(stages, "speech encoder (up to 5 s)", encoders.speech, samples)
            _clock(stages, "Stage II + III", dialogue.add, str(i), t1, s1, Cues(duration_s=2.0))
            stages.setdefault("encode + fuse", []).append((time.perf_counter() - start) * 1000)
        if number == 0:
            out["pass_s"] = time.perf_counter() - began
    five_s = torch.zeros(5 * SAMPLE_RATE_HZ).uniform_(-0.1, 0.1).numpy()
    for _ in range(5 if quick else 20):
        _clock(stages, "speech encoder (5 s)", encoders.speech, five_s)
    out["growth_ms"] = growth(Dialogue(model, config.dialogue, abstention), t1, s1, 500 if quick else 2000)


def growth(dialogue: Any, t1: Any, s1: Any, until: int) -> dict[str, float]:
    """Median ms of Stage II + III around utterance 50, 500, 2000 of one session (21 utterances each)."""
    from livemerc.dialogue import Cues

    times: list[float] = []
    for i in range(until + 11):
        began = time.perf_counter()
        dialogue.add(str(i), t1, s1, Cues(duration_s=2.0))
        times.append((time.perf_counter() - began) * 1000)
    return {str(n): _percentiles(times[n - 11 : n + 10])["p50"] for n in GROWTH_AT if n <= until}


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


def machine() -> dict[str, Any]:
    """One line of what this was measured on."""
    import psutil

    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # not Linux: the architecture's name has to do
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1min": round(psutil.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def table(f: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    m, s = f["machine"], f["start_up"]
    lines = [
        f"{m['processor']}, {m['cores']} cores, {m['memory_gb']} GB, load {m['load_1min']}, {m['system']}, "
        f"Python {m['python']}, {m['compute']}",
        "",
        f"{'stage':34} {'p50 ms':>9} {'p95 ms':>9} {'n':>5}",
    ]
    for name, v in f["stages_ms"].items():
        lines.append(f"{name:34} {v['p50']:9.1f} {v['p95']:9.1f} {v['n']:5.0f}")
    lines += ["", "Stage II + III as the session grows (median ms):"]
    lines += [f"  utterance {n:>5}: {v:.2f}" for n, v in f["growth_ms"].items()]
    grown = list(f["growth_ms"].values())
    lines += [
        f"  last / first: {grown[-1] / grown[0]:.2f}",
        "",
        f"real-time factor  {f['rtf']:.3f} with ASR, {f['ears_rtf']:.4f} the ears alone "
        f"({f['audio_s']:.0f} s of audio)",
        f"start-up          --help {s['help_s']:.2f} s, import livemerc {s['import_s']:.2f} s, "
        f"torch {s['import_torch_s']:.2f} s, model {s['model_load_s']:.2f} s",
        f"peak memory       {f['peak_rss_mb']:.0f} MB",
    ]
    return lines


def _clock(stages: dict[str, list[float]], name: str, work: Callable[..., Any], *arguments: Any) -> Any:
    began = time.perf_counter()
    result = work(*arguments)
    stages.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    return result


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": ordered[len(ordered) // 2],
        "p95": ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))],
        "n": len(ordered),
    }
