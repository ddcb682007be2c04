"""The command line: flags become configuration, errors become one sentence and an exit code.

Top-level imports are tiny on purpose: `livemerc --help` answers before numpy, torch or Textual could load.
"""

from __future__ import annotations

import math
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.exceptions import UnusedCliTokensError

from livemerc import __version__, process
from livemerc.errors import EXIT_OK, EXIT_RUNTIME, EXIT_USAGE, ConfigError, LivemercError, MicrophoneError

if TYPE_CHECKING:
    from livemerc.config import Config

app = App(
    name="livemerc",
    version=__version__,
    help="Streaming monitor of the emotions that people express in conversation.",
    help_format="plaintext",
    default_parameter=Parameter(negative=(), show_default=False),
)
models_app = App(name="models", help="List the Whisper models and the checkpoint on this machine, or fetch a model.")
app.command(models_app)

_source = Group("Source (exactly one)", sort_key=1)
_speech = Group("Recognition", sort_key=2)
_model = Group("Emotion model", sort_key=3)
_output = Group("Output", sort_key=4)
_other = Group("Other", sort_key=5)


@app.command(sort_key=1)
def run(
    *,
    mic: Annotated[list[str] | None, Parameter(group=_source, consume_multiple=(0, 1), metavar="[NAME|INDEX]")] = None,
    file: Annotated[Path | None, Parameter(group=_source)] = None,
    stdin: Annotated[bool, Parameter(group=_source)] = False,
    demo: Annotated[bool, Parameter(group=_source)] = False,
    speakers: Annotated[str | None, Parameter(group=_source, metavar="NAME,NAME")] = None,
    rate: Annotated[int | None, Parameter(group=_source)] = None,
    speed: Annotated[float | None, Parameter(group=_source)] = None,
    block_ms: Annotated[float | None, Parameter(group=_source)] = None,
    vad: Annotated[Literal["webrtc", "silero"] | None, Parameter(group=_speech)] = None,
    asr: Annotated[
        Literal["auto", "faster-whisper", "pocketsphinx", "transcript", "none"] | None, Parameter(group=_speech)
    ] = None,
    transcript: Annotated[Path | None, Parameter(group=_speech)] = None,
    model: Annotated[str | None, Parameter(group=_speech)] = None,
    language: Annotated[str | None, Parameter(group=_speech)] = None,
    checkpoint: Annotated[Path | None, Parameter(group=_model)] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"] | None, Parameter(group=_model)] = None,
    context: Annotated[int | None, Parameter(group=_model)] = None,
    text_only: Annotated[bool, Parameter(group=_model)] = False,
    record: Annotated[Path | None, Parameter(group=_output, metavar="DIR")] = None,
    record_audio: Annotated[bool, Parameter(group=_output)] = False,
    json: Annotated[bool, Parameter(group=_output)] = False,
    plain: Annotated[bool, Parameter(group=_output)] = False,
    offline: Annotated[bool, Parameter(group=_other)] = False,
    config: Annotated[Path | None, Parameter(group=_other)] = None,
    debug: Annotated[bool, Parameter(group=_other)] = False,
) -> int:
    """Listen to one source and show the emotion expressed in every utterance.

    Parameters
    ----------
    mic
        A microphone: bare for the system's default, or its NAME or INDEX as `livemerc devices` lists them. Given
        twice, both are heard, each as a speaker of its own: --mic default --mic MONITOR is both sides of a call.
    file
        An audio file, or the audio of a video.
    stdin
        Raw signed 16-bit little-endian mono samples from standard input.
    demo
        The conversation that comes with the program; fetches nothing.
    speakers
        Who speaks on each channel of --mic or --file, in order, for instance left,right; or at each --mic.
    rate
        Sample rate of --stdin in Hz (default 16000).
    speed
        Pace of --file and --demo: 1 = as spoken (default), 0 = as fast as it goes.
    block_ms
        Audio handed over at once, in milliseconds (default 20); results do not depend on it.
    vad
        Voice activity detector (default silero; webrtc is lighter, and hears noise as speech).
    asr
        Speech recogniser (default auto: a cached Whisper, else pocketsphinx; on a terminal a Whisper may be fetched).
    transcript
        Sidecar transcript (VTT, SRT or STM) instead of a recogniser.
    model
        Whisper size (tiny, base, small, ...) or the path of a converted model.
    language
        Language code of the speech for Whisper (default: detected).
    checkpoint
        Folder of an emotion checkpoint (default: the compact one that ships).
    device
        Where to compute (default auto).
    context
        Earlier utterances the model sees (default 32).
    text_only
        Judge the words alone: no inference from the voice.
    record
        Folder that becomes this session's record: it must be new or empty. Without it nothing is written.
    record_audio
        Record what is heard, too (audio.flac).
    json
        Events as JSON Lines on standard output, and nothing else there.
    plain
        One line per settled label instead of the dashboard.
    offline
        Make no network call at all.
    config
        TOML file with any setting (default: livemerc.toml in the user's configuration folder).
    debug
        Show tracebacks and the libraries' own messages.
    """
    source_flag = _one_source(mic=mic is not None, file=file is not None, stdin=stdin, demo=demo)
    if json and plain:
        raise ConfigError("--json and --plain exclude each other; choose one.")
    if speed is not None and source_flag not in ("--file", "--demo"):
        raise ConfigError(f"--speed goes with --file or --demo, not with {source_flag}, whose pace is the world's.")
    if speed is not None and not (math.isfinite(speed) and speed >= 0):
        raise ConfigError("--speed must be 0 (as fast as it goes) or a positive number.")
    if rate is not None and not stdin:
        raise ConfigError(f"--rate goes with --stdin, not with {source_flag}, which knows its own rate.")
    if rate is not None and not 1000 <= rate <= 384_000:
        raise ConfigError("--rate must be a sample rate between 1000 and 384000 Hz.")
    if speakers is not None and source_flag not in ("--mic", "--file"):
        raise ConfigError(f"--speakers goes with --mic or --file, not with {source_flag}, which has one channel.")
    if transcript is not None and asr not in (None, "transcript"):
        raise ConfigError(f"--transcript and --asr {asr} exclude each other; leave one out.")
    if text_only and asr == "none":
        raise ConfigError("--text-only and --asr none leave nothing to judge; leave one out.")
    if record_audio and record is None:
        raise ConfigError("--record-audio goes with --record DIR, which says where to; give both.")
    names = () if speakers is None else _speaker_names(speakers)
    settings = _load_config(
        config,
        {
            "audio.block_ms": block_ms,
            "vad.engine": vad,
            "asr.engine": "transcript" if transcript is not None else asr,
            "asr.transcript": _text(transcript),
            "asr.model": model,
            "asr.language": language,
            "model.checkpoint": _text(checkpoint),
            "model.device": device,
            "model.text_only": True if text_only else None,
            "dialogue.context": context,
            "offline": True if offline or _hub_offline() else None,
        },
        demo=demo,
    )
    if settings.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"  # before any library reads it
    from livemerc import session

    if record is not None:
        session.check_new(record)  # before a microphone listens
    with process.StopOnSignal() as signals:
        try:
            pace = 1.0 if speed is None else speed
            source = session.open_source(source_flag, mic, file, rate, pace, names, settings)
            return session.monitor(
                source, settings, signals,
                demo=demo, json=json, plain=plain, record=record, record_audio=record_audio,
            )  # fmt: skip
        except KeyboardInterrupt:
            return EXIT_OK  # nothing was heard yet: nothing to flush


@app.command(sort_key=2)
def devices() -> int:
    """List the microphones with the names and indexes that `run --mic` takes."""
    from livemerc.audio.devices import far_side_hint, list_inputs

    inputs = list_inputs()
    if not inputs:
        raise MicrophoneError("No microphone was found; connect one and check the system's sound settings.")
    for device in inputs:
        print(device)
    if not any(device.monitor for device in inputs):
        print(f"livemerc: {far_side_hint()}", file=sys.stderr)
    return EXIT_OK


@app.command(sort_key=3)
def doctor(*, json: bool = False) -> int:
    """Check this machine and say how to mend what is missing; exit 3 when livemerc cannot run at all.

    Parameters
    ----------
    json
        The findings as one JSON object.
    """
    from livemerc import doctor as room

    return room.main(json=json)


@models_app.default
def models() -> int:
    """List the Whisper models on this machine and the emotion checkpoint."""
    from livemerc.doctor import model_lines

    for line in model_lines():
        print(line)
    return EXIT_OK


@models_app.command
def pull(name: str, /) -> int:
    """Fetch a Whisper model once, so that it can be used offline afterwards.

    Parameters
    ----------
    name
        Whisper size, for instance base.
    """
    from livemerc.fetching import pull_with_bar

    print(f"{name}: {pull_with_bar(name)}")
    return EXIT_OK


@app.command(sort_key=4)
def replay(
    directory: Path,
    /,
    *,
    speed: float = 1.0,
    begin: Annotated[str, Parameter(name="--from")] = "0",
    json: bool = False,
    plain: bool = False,
) -> int:
    """Play a recorded session: the same events in the same order, also of one that is still being recorded.

    Parameters
    ----------
    directory
        The session's folder (`run --record`), or a file of events that `run --json` printed.
    speed
        0.5 to 100 times as fast as it was (default 1), or 0 for as fast as it goes.
    begin
        Where to begin, for instance 12:30; what was before comes at once.
    json
        Events as JSON Lines on standard output, and nothing else there.
    plain
        One line per settled label instead of the dashboard.
    """
    if json and plain:
        raise ConfigError("--json and --plain exclude each other; choose one.")
    if not (speed == 0 or 0.5 <= speed <= 100):
        raise ConfigError("--speed of a replay is 0.5 to 100, or 0 for as fast as it goes.")
    from livemerc import replay as room

    begin_s = room.seconds(begin)
    with process.StopOnSignal() as signals:
        try:
            return room.replay(directory, signals, speed=speed, begin_s=begin_s, json=json, plain=plain)
        except KeyboardInterrupt:
            return EXIT_OK


@app.command(sort_key=4)
def sessions(directory: Path, /) -> int:
    """List the recorded sessions in a folder: when, how long, from what, and which are damaged.

    Parameters
    ----------
    directory
        A folder of sessions' folders, or a session's own.
    """
    from livemerc import replay as room

    return room.list_sessions(directory)


@app.command(sort_key=5)
def bench(
    what: Literal["vad", "soak"] | None = None,
    /,
    *,
    speech: list[Path] | None = None,
    minutes: float | None = None,
    file: list[Path] | None = None,
    quick: bool = False,
    json: bool = False,
) -> int:
    """Measure latency, cost and memory on this machine.

    Parameters
    ----------
    what
        vad: false and missed speech in noise. soak: one long session at real speed. Left out: latency, stage by stage.
    speech
        vad: folder of clean recordings to be found in the noise (default: the bundled demo); may be repeated.
    minutes
        soak: how long (default 60).
    file
        soak: what is played over and over (default: the bundled demo); may be repeated, at one sample rate.
    quick
        Fewer repetitions, or shorter stretches.
    json
        The figures as one JSON object.
    """
    for flag, given, room in (("--speech", speech, "vad"), ("--minutes", minutes, "soak"), ("--file", file, "soak")):
        if given is not None and what != room:
            raise ConfigError(f"{flag} goes with `livemerc bench {room}`; leave it out.")
    if what == "vad":
        from livemerc import bench_vad

        return bench_vad.main(speech or [], quick=quick, json=json)
    if what == "soak":
        from livemerc import bench_soak

        return bench_soak.main((3.0 if quick else 60.0) if minutes is None else minutes, file or [], json=json)
    from livemerc import bench as latency

    return latency.main(quick=quick, json=json)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Entry point: parse, run, and end the process with the contract's exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # started with the descriptor closed: nobody reads, which is no failure
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - stays open for as long as the process
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        process.catch_early_signals()
        code = call(arguments)
    except KeyboardInterrupt:
        code = _interrupted(arguments)
    process.leave(code)


def call(argv: list[str], application: App = app) -> int:
    """Parse and run `argv`; returns the exit code. Prints at most one sentence on stderr for an error.

    `livemerc-train` comes through here too, with its own `application`.
    """
    debug = "--debug" in argv
    _quiet_libraries(debug)
    try:
        # parsing apart from running: a ValueError inside a command is no usage error
        command, bound, _ = application.parse_args(_microphones_named(argv), print_error=False, exit_on_error=False)
        result = command(*bound.args, **bound.kwargs)
        sys.stdout.flush()
        return result if isinstance(result, int) else EXIT_OK
    except CycloptsError as error:
        return _fail(_usage_sentence(error, argv, application), EXIT_USAGE, debug)
    except LivemercError as error:
        return _fail(str(error), error.exit_code, debug)
    except BrokenPipeError:
        process.silence_output()
        return EXIT_OK
    except KeyboardInterrupt:
        return _interrupted(argv)
    except Exception as error:  # noqa: BLE001  # the one boundary: whatever it is, the user gets a sentence and a code
        if process.interrupted:
            return _interrupted(argv)
        what = " ".join(str(error).split()) or "no message"
        hint = "" if debug else "; run it again with --debug for the traceback"
        return _fail(f"an unexpected {type(error).__name__} ({what}){hint}.", EXIT_RUNTIME, debug)


def _microphones_named(argv: list[str]) -> list[str]:
    """A bare --mic beside another one is the default: a flag that may be bare cannot be given twice."""
    if argv.count("--mic") < 2:
        return argv
    named = []
    for word, following in zip(argv, [*argv[1:], "-"], strict=True):
        named += [word, "default"] if word == "--mic" and following.startswith("-") else [word]
    return named


def _interrupted(argv: list[str]) -> int:
    """A session that had not begun has nothing to flush: it has ended well."""
    return EXIT_OK if argv[:1] == ["run"] else process.EXIT_AT_ONCE


def _fail(sentence: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    from livemerc.text_safety import plain_text  # a file's name may hold what steers a terminal

    print(f"livemerc: {plain_text(' '.join(sentence.split()))}", file=sys.stderr)
    return code


def _usage_sentence(error: CycloptsError, argv: list[str], application: App) -> str:
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        what = f"unexpected argument {error.unused_tokens[0]!r}"
    else:
        what = str(error).rstrip(".")
        what = re.sub(r"(^|\. )([A-Z])", lambda match: match[1].replace(".", ";") + match[2].lower(), what)
    command = argv[0] + " " if argv and argv[0] in set(application) and not argv[0].startswith("-") else ""
    return f"{what} (see `{application.name[0]} {command}--help`)."


def _quiet_libraries(debug: bool) -> None:
    # Two spinning OpenMP threads beside another program slow small networks down 200-fold; read once, at torch's load.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if debug:
        import logging

        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s: %(message)s")
    elif not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' notices to developers


def _one_source(**given: bool) -> str:
    chosen = [f"--{name}" for name, is_given in given.items() if is_given]
    if not chosen:
        raise ConfigError("say what to listen to: --mic, --file PATH, --stdin or --demo (see `livemerc run --help`).")
    if len(chosen) > 1:
        raise ConfigError(f"{' and '.join(chosen)} exclude each other; give exactly one source.")
    return chosen[0]


def _speaker_names(given: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in given.split(","))
    if not all(names):
        raise ConfigError(f"--speakers {given!r} has an empty name; give one for each channel, for instance ann,ben.")
    if len(set(names)) < len(names):
        raise ConfigError(f"--speakers {given!r} names one speaker twice; give every channel a name of its own.")
    return names


def _load_config(path: Path | None, overrides: dict[str, Any], *, demo: bool) -> Config:
    from livemerc.config import load_config
    from livemerc.session import DEMO_FOLDER

    settings = load_config(path, overrides)
    if settings.asr.engine == "transcript" and settings.asr.transcript is None and demo:
        return load_config(path, overrides | {"asr.transcript": str(DEMO_FOLDER / "demo.vtt")})
    return settings


def _hub_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


if __name__ == "__main__":
    main()
