"""`livemerc doctor`: what this machine has, what it lacks, and how to mend it. It loads nothing heavy itself.

Libraries that may abort the whole process (a wrong CUDA or cuDNN leaves no traceback) are imported in a child.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from livemerc.errors import EXIT_MODEL, EXIT_OK, LivemercError

if TYPE_CHECKING:
    from livemerc.config import Config

State = Literal["ok", "warn", "fail", "note"]

_CHILD_LIMIT_S = 180.0
_REINSTALL = "install again with `pip install -c constraints.txt .`"

LAWFUL_USE = (
    "What is shown is the emotion that words and voice express, not what a person feels, and no diagnosis. Inferring "
    "emotions from voices at work or in education is prohibited in the EU (AI Act, Art. 5(1)(f)), whoever agrees, and "
    "restricted elsewhere: there `--purpose work` or `education` judges words alone. Tell people that they are "
    "monitored and ask them (`livemerc notice`). `--text-only` infers nothing from the voice."
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. `fail` = `livemerc run` cannot work at all; `warn` = a part of it cannot."""

    name: str
    state: State
    found: str
    mend: str | None = None


def main(*, json: bool = False) -> int:
    """Print every finding. Returns the exit code: 0 when `livemerc run --file` would work, else 3."""
    findings = []
    if not json:
        print_line = _printer()
    for check in CHECKS:
        for finding in check():
            findings.append(finding)
            if not json:
                print_line(finding)
    usable = all(finding.state != "fail" for finding in findings)
    if json:
        print(msgspec.json.encode({"usable": usable, "findings": findings}).decode())
    return EXIT_OK if usable else EXIT_MODEL


def model_lines() -> Iterator[str]:
    """The lines of `livemerc models`."""
    from livemerc.asr.models import BUNDLED, list_models
    from livemerc.runtime.hub import hub_cache
    from livemerc.speakers.models import list_embedders

    models = list_models()
    width = max(len(model.name) for model in models)
    yield f"Whisper models in {hub_cache()}:"
    for model in models:
        size = f"{model.size_bytes / 1e6:7,.0f} MB" if model.size_bytes is not None else "not here"
        where = "ships with livemerc" if model.path == BUNDLED else model.repository
        yield f"  {model.name:<{width}}  {size:>10}  {where}"
    yield "Speaker embedders: ge2e ships with livemerc"
    embedders = list_embedders()
    width = max(len(embedder.name) for embedder in embedders)
    for embedder in embedders:
        size = f"{embedder.size_bytes / 1e6:7,.0f} MB" if embedder.size_bytes is not None else "not here"
        lacks = "" if embedder.lacks is None else f": {embedder.lacks}"
        yield f"  {embedder.name:<{width}}  {size:>10}  {embedder.title}{lacks}"
    yield "Fetch one with `livemerc models pull NAME`."
    checkpoint = next(_checkpoint())
    yield f"Emotion checkpoint: {checkpoint.found}" + (f" {checkpoint.mend}" if checkpoint.mend else "")


def _printer() -> Callable[[Finding], None]:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    styles = {"ok": "green", "warn": "yellow", "fail": "bold red", "note": "cyan"}

    def print_line(finding: Finding) -> None:
        console.print(Text.assemble((f"{finding.state:<5}", styles[finding.state]), f"{finding.name}: {finding.found}"))
        if finding.mend:
            console.print(Text(f"     mend: {finding.mend}"))

    return print_line


# -- the machine ---------------------------------------------------------------------------------------------------


def _python() -> Iterator[Finding]:
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding(
        name="Python",
        state="ok" if fits else "fail",
        found=f"{platform.python_version()} on {platform.platform()}",
        mend=None if fits else "use Python 3.11, 3.12 or 3.13",
    )


def _machine() -> Iterator[Finding]:
    import psutil

    cores, memory = os.cpu_count() or 1, psutil.virtual_memory()
    enough = memory.available > 1.5e9
    yield Finding(
        name="Machine",
        state="ok" if enough else "warn",
        found=f"{cores} cores, {memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB memory free",
        mend=None if enough else "livemerc takes up to 1.5 GB: close other programs",
    )


def _terminal() -> Iterator[Finding]:
    if not sys.stdout.isatty():
        yield Finding(name="Terminal", state="note", found="none here: livemerc prints plain lines")
        return
    from rich.console import Console

    console = Console()
    colours, encoding = console.color_system, (sys.stdout.encoding or "").lower()
    poor = colours is None or colours == "standard" or "utf" not in encoding
    yield Finding(
        name="Terminal",
        state="warn" if poor else "ok",
        found=f"{console.width} x {console.height}, colours: {colours or 'none'}, encoding: {encoding or 'unknown'}",
        mend="set TERM=xterm-256color and a UTF-8 locale, or use --plain" if poor else None,
    )


# -- libraries -----------------------------------------------------------------------------------------------------


def _torch() -> Iterator[Finding]:
    versions = _version("torch"), _version("torchaudio")
    found = f"torch {versions[0] or 'missing'}, torchaudio {versions[1] or 'missing'}"
    mend = f"the two must come from one release: {_REINSTALL}"
    if None in versions or _release(versions[0]) != _release(versions[1]):
        yield Finding(name="torch", state="fail", found=found, mend=mend)
        return
    told, problem = _child(
        "import torch, torchaudio\n"
        "print(torch.version.cuda or '')\n"
        "print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
    )
    if problem:
        yield Finding(name="torch", state="fail", found=f"{found}: {problem}", mend=mend)
        return
    yield Finding(name="torch", state="ok", found=found)
    cuda, gpu = [*told, "", ""][:2]
    yield from _gpu(cuda, gpu)


def _gpu(torch_cuda: str, gpu: str) -> Iterator[Finding]:
    driver = Path("/proc/driver/nvidia/version").exists() or importlib.util.find_spec("pynvml") is not None
    if not gpu:
        if driver:
            yield Finding(
                name="GPU",
                state="warn",
                found=f"an NVIDIA driver is here, but torch (CUDA {torch_cuda or 'none'}) cannot use it",
                mend="update the NVIDIA driver to one for that CUDA version; until then all is computed on the CPU",
            )
        else:
            yield Finding(name="GPU", state="ok", found="no NVIDIA GPU: all is computed on the CPU")
        return
    yield Finding(name="GPU", state="ok", found=f"{gpu}, torch with CUDA {torch_cuda}")
    told, problem = _child("from livemerc.asr.cuda import load_cublas\nprint(load_cublas())")
    if problem or told != ["True"]:
        yield Finding(
            name="Whisper on the GPU",
            state="warn",
            found=f"CTranslate2 needs cuBLAS of CUDA 12, and torch brings CUDA {torch_cuda}",
            mend="pip install 'livemerc[cuda]', or run with --device cpu",
        )


def _recognisers() -> Iterator[Finding]:
    from livemerc.asr.models import BUNDLED, BUNDLED_NAME, is_complete, list_models
    from livemerc.runtime.hub import hub_cache

    found = (
        f"faster-whisper {_version('faster-whisper') or 'missing'}, ctranslate2 {_version('ctranslate2') or 'missing'}"
    )
    _, problem = _child("import ctranslate2, faster_whisper")
    whisper = problem is None
    yield Finding(
        name="Whisper",
        state="ok" if whisper else "warn",
        found=found if whisper else f"{found}: {problem}",
        mend=None if whisper else _REINSTALL,
    )
    here = [model for model in list_models() if model.path is not None]
    cached = list(dict.fromkeys(model.name for model in here if model.path != BUNDLED))
    shipped = is_complete(BUNDLED)
    found = f"{BUNDLED_NAME} {'ships with livemerc (English only)' if shipped else 'should ship, and is missing'}; "
    found += f"{', '.join(cached)} in {hub_cache()}" if cached else f"none in {hub_cache()}"
    yield Finding(
        name="Whisper models",
        state="ok" if shipped else "fail",
        found=found,
        mend=None if shipped or cached else _REINSTALL,
    )


def _voice_activity() -> Iterator[Finding]:
    _, problem = _child("from livemerc.audio.vad import SileroVad, WebRtcVad\nSileroVad()\nWebRtcVad()")
    yield Finding(
        name="Voice activity",
        state="fail" if problem else "ok",
        found=problem
        or f"silero (onnxruntime {_version('onnxruntime')}), webrtcvad-wheels {_version('webrtcvad-wheels')}",
        mend=_REINSTALL if problem else None,
    )


def _microphone() -> Iterator[Finding]:
    from livemerc.audio.microphone.devices import list_inputs

    try:
        inputs = list_inputs()
    except LivemercError as error:
        yield Finding(name="Microphone", state="warn", found=str(error), mend="needed for --mic only")
        return
    if not inputs:
        settings = {
            "darwin": "connect one, or allow the terminal under System Settings > Privacy & Security > Microphone",
            "win32": "connect one, or allow desktop apps under Settings > Privacy & security > Microphone",
        }
        yield Finding(
            name="Microphone",
            state="warn",
            found="PortAudio works but sees no input",
            mend=settings.get(sys.platform, "connect one, and check that PulseAudio or PipeWire runs")
            + "; needed for --mic only",
        )
        return
    default = next((device for device in inputs if device.default), inputs[0])
    yield Finding(
        name="Microphone", state="ok", found=f"{len(inputs)} inputs, default {default.index} {default.name!r}"
    )


# -- configuration and checkpoint ------------------------------------------------------------------------------------


def _config() -> Iterator[Finding]:
    from livemerc.config import load_config, user_config_file

    path = user_config_file()
    try:
        load_config()
    except LivemercError as error:
        yield Finding(name="Configuration", state="fail", found=str(error), mend="correct or remove that setting")
        return
    yield Finding(name="Configuration", state="ok", found=str(path) if path.is_file() else f"defaults (no {path})")


def _settings() -> Config:
    from livemerc.config import Config, load_config

    try:
        return load_config()
    except LivemercError:
        return Config()  # said by the check of the configuration


def _checkpoint() -> Iterator[Finding]:
    from livemerc.model.checkpoint import checkpoint_folder, verify_files

    where = _settings().model.checkpoint
    try:
        manifest = verify_files(where)
    except LivemercError as error:
        yield Finding(name="Checkpoint", state="fail", found=str(error), mend=_REINSTALL)
        return
    yield Finding(name="Checkpoint", state="ok", found=f"{manifest.id} in {checkpoint_folder(where)}, hashes match")
    if manifest.voice_encoder is not None:
        found = f"{manifest.voice_encoder.path}, the one that the checkpoint was made for"
        yield Finding(name="Encoder of the voice", state="ok", found=found)
    yield Finding(name="Licence of the weights", state="note", found=manifest.licence)


def _embedder() -> Iterator[Finding]:
    from livemerc.speakers.choose import id_asked_for
    from livemerc.speakers.models import GE2E, list_embedders

    asked = _settings().speakers.embedder
    here = ", ".join(one.name for one in list_embedders() if one.path is not None)
    try:
        used = id_asked_for(asked)
    except LivemercError as error:
        mend = "or leave speakers.embedder out: GE2E ships; needed for --diarize only"
        yield Finding(name="Speaker embedder", state="warn", found=str(error), mend=mend)
        return
    ships = " ships with livemerc" if asked == GE2E else ""
    yield Finding(name="Speaker embedder", state="ok", found=f"{used.name}{ships}; fetched: {here or 'none'}")


def _voiceprints() -> Iterator[Finding]:
    from livemerc.speakers.choose import id_asked_for
    from livemerc.speakers.voiceprints import Voiceprints, of_embedder

    prints = Voiceprints()
    try:
        found = prints.read()
        own, others = of_embedder(found.prints, id_asked_for(_settings().speakers.embedder))
    except LivemercError as error:
        yield Finding(name="Voiceprints", state="warn", found=str(error), mend="needed for names with --diarize only")
        return
    for sentence in [*found.damaged, *others]:
        yield Finding(name="Voiceprints", state="warn", found=sentence)
    names = ", ".join(one.name for one in own) or "nobody is enrolled"
    yield Finding(name="Voiceprints", state="ok", found=f"{names} (in {prints.folder}, for --diarize)")


def _lawful_use() -> Iterator[Finding]:
    yield Finding(name="Lawful use", state="note", found=LAWFUL_USE)


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python, _machine, _terminal, _torch, _voice_activity, _recognisers, _microphone, _config, _checkpoint,
    _embedder, _voiceprints, _lawful_use,
)  # fmt: skip


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _release(version: str | None) -> list[str]:
    return (version or "").split("+")[0].split(".")[:2]


def _child(code: str) -> tuple[list[str], str | None]:
    """What `code` prints in a Python of its own, line by line, and what went wrong, if anything."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=_CHILD_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return [], f"does not load within {_CHILD_LIMIT_S:.0f} s"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"the process ended with code {done.returncode}"])[-1]
        return [], f"does not load ({last})"
    return done.stdout.splitlines(), None
