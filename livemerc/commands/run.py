"""`livemerc run`: flags become configuration, and one source is watched."""

from __future__ import annotations

import math
import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from livemerc.commands import sources
from livemerc.commands.checks import (
    check_diarize,
    check_output,
    check_recognition,
    check_usual_voice,
    check_voice,
    read_token,
)
from livemerc.errors import EXIT_OK, ConfigError, say
from livemerc.purpose import Purpose
from livemerc.runtime import process

if TYPE_CHECKING:
    from livemerc.config import Config

_source = Group("Source (exactly one)", sort_key=1)
_speech = Group("Recognition", sort_key=2)
_model = Group("Emotion model", sort_key=3)
_output = Group("Output", sort_key=4)
_other = Group("Other", sort_key=5)


def run(
    *,
    mic: Annotated[list[str] | None, Parameter(group=_source, consume_multiple=(0, 1), metavar="[NAME|INDEX]")] = None,
    file: Annotated[Path | None, Parameter(group=_source)] = None,
    stdin: Annotated[bool, Parameter(group=_source)] = False,
    demo: Annotated[bool, Parameter(group=_source)] = False,
    speakers: Annotated[str | None, Parameter(group=_source, metavar="NAME,NAME")] = None,
    audio_track: Annotated[str | None, Parameter(group=_source, metavar="N|LANG")] = None,
    rate: Annotated[int | None, Parameter(group=_source)] = None,
    speed: Annotated[float | None, Parameter(group=_source)] = None,
    block_ms: Annotated[float | None, Parameter(group=_source)] = None,
    vad: Annotated[Literal["webrtc", "silero"] | None, Parameter(group=_speech)] = None,
    asr: Annotated[Literal["auto", "faster-whisper", "transcript", "none"] | None, Parameter(group=_speech)] = None,
    transcript: Annotated[Path | None, Parameter(group=_speech)] = None,
    model: Annotated[str | None, Parameter(group=_speech)] = None,
    language: Annotated[str | None, Parameter(group=_speech)] = None,
    asr_window: Annotated[Literal["auto", "full", "adaptive"] | None, Parameter(group=_speech)] = None,
    checkpoint: Annotated[Path | None, Parameter(group=_model)] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"] | None, Parameter(group=_model)] = None,
    context: Annotated[int | None, Parameter(group=_model)] = None,
    text_only: Annotated[bool, Parameter(group=_model)] = False,
    purpose: Annotated[Purpose | None, Parameter(group=_model)] = None,
    judge_voice_of: Annotated[str | None, Parameter(group=_model, metavar="NAME,NAME")] = None,
    diarize: Annotated[bool | None, Parameter(group=_model, negative="--no-diarize")] = None,
    max_speakers: Annotated[int | None, Parameter(group=_model, metavar="N")] = None,
    usual_voice: Annotated[bool | None, Parameter(group=_model, negative="--no-usual-voice")] = None,
    record: Annotated[Path | None, Parameter(group=_output, metavar="DIR")] = None,
    record_audio: Annotated[bool, Parameter(group=_output)] = False,
    resume: Annotated[bool, Parameter(group=_output)] = False,
    json: Annotated[bool, Parameter(group=_output)] = False,
    plain: Annotated[bool, Parameter(group=_output)] = False,
    to: Annotated[str | None, Parameter(group=_other, metavar="URL")] = None,
    token: Annotated[str | None, Parameter(group=_other, metavar="TOKEN|@FILE")] = None,
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
    audio_track
        The sound track of --file: its number, from 1, or its language (default: the one that is flagged default).
    rate
        Sample rate of --stdin in Hz (default 16000).
    speed
        Pace of --file and --demo: 1 = as spoken (default), 0 = as fast as it goes.
    block_ms
        Audio handed over at once, in milliseconds (default 20); results do not depend on it.
    vad
        Voice activity detector (default silero; webrtc is lighter, and hears noise as speech).
    asr
        Speech recogniser (default auto: the best cached Whisper, else tiny.en, which ships; nothing is fetched).
    transcript
        Sidecar transcript (VTT, SRT or STM) instead of a recogniser.
    model
        Whisper size (tiny, base, small, ...) or the path of a converted model.
    language
        Language code of the speech for Whisper (default: detected).
    asr_window
        What Whisper looks at: its full 30 s, or adaptive, the utterance and a margin (default auto: adaptive, but full
        where the checkpoint's voice needs that).
    checkpoint
        Folder of an emotion checkpoint (default: the compact one that ships).
    device
        Where to compute (default auto).
    context
        Utterances the model sees, the newest one included (default 32).
    text_only
        Judge the words alone: no inference from the voice.
    purpose
        What the session is for (default personal). work and education judge words alone, whatever else is asked for:
        docs/law.md says why.
    judge_voice_of
        Judge the voices of these channels alone, for instance me; of the others only words (default: every voice).
    diarize
        Tell speakers apart by their voices, where no channel and no transcript names them (default: no). Nothing is
        kept of a voice beyond the session.
    max_speakers
        diarize: how many speakers there are at most (default: as many as are heard).
    usual_voice
        diarize: judge a voice that is recognised against the usual voice that was enrolled of it (`livemerc speakers
        enroll --usual-voice`), not against what this session has heard alone (default: no).
    record
        Folder that becomes this session's record: it must be new or empty. Without it nothing is written.
    record_audio
        Record what is heard, too (audio.flac).
    resume
        Go on with the session of --file that --record's folder holds, if it was broken off; else begin it.
    json
        Events as JSON Lines on standard output, and nothing else there.
    plain
        One line per settled label instead of the dashboard.
    to
        A room of `livemerc serve`, which judges: http://HOST:8765/rooms/NAME. This machine listens and needs no model.
    token
        to: what the server wants to know; @FILE reads it from a file.
    offline
        Make no network call at all.
    config
        TOML file with any setting (default: livemerc.toml in the user's configuration folder).
    debug
        Show tracebacks and the libraries' own messages.
    """
    source_flag = _one_source(mic=mic is not None, file=file is not None, stdin=stdin, demo=demo)
    check_output(json=json, plain=plain)
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
    if audio_track is not None and file is None:
        raise ConfigError(f"--audio-track goes with --file, not with {source_flag}, which has no tracks.")
    if to is not None:
        left_to_it = {
            "--vad": vad, "--asr": asr, "--transcript": transcript, "--model": model, "--asr-window": asr_window,
            "--checkpoint": checkpoint, "--device": device, "--context": context, "--text-only": text_only,
            "--judge-voice-of": judge_voice_of, "--diarize": diarize, "--max-speakers": max_speakers,
            "--usual-voice": usual_voice, "--record": record, "--record-audio": record_audio,
            "--resume": resume, "--offline": offline,
        }  # fmt: skip
        for flag, given in left_to_it.items():
            if given:
                raise ConfigError(f"{flag} is the server's affair with --to; leave it out, or give it to `serve`.")
    elif token is not None:
        raise ConfigError("--token goes with --to URL; leave it out.")
    check_recognition(transcript, asr, text_only=text_only, purpose=purpose)
    check_voice(judge_voice_of, text_only=text_only)
    check_diarize(diarize, max_speakers, text_only=text_only, resume=resume)
    if record_audio and record is None:
        raise ConfigError("--record-audio goes with --record DIR, which says where to; give both.")
    if resume and (record is None or source_flag not in ("--file", "--demo")):
        raise ConfigError("--resume goes with --file PATH and --record DIR: a file alone can be heard on; give both.")
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
            "asr.window": asr_window,
            "model.checkpoint": _text(checkpoint),
            "model.device": device,
            "model.text_only": True if text_only else None,
            "dialogue.context": context,
            "speakers.diarize": diarize,
            "speakers.at_most": max_speakers,
            "speakers.usual_voice": usual_voice,
            "offline": True if offline or _hub_offline() else None,
            "purpose": purpose,
            "judge_voice_of": judge_voice_of,
        },
        demo=demo,
    )
    check_usual_voice(usual_voice, settings)
    if settings.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"  # before any library reads it
    if record is not None and not resume:
        from livemerc.sessions.folder import check_new

        check_new(record)  # before a microphone listens
    with process.StopOnSignal() as signals:
        try:
            pace = 1.0 if speed is None else speed
            with closing(
                sources.open_source(source_flag, mic, file, rate, pace, audio_track, names, settings)
            ) as source:
                from livemerc.console.show import show_monitor

                if to is not None:
                    from livemerc.remote import RemoteMonitor

                    remote = RemoteMonitor(source, settings, to, token=read_token(token))
                    return show_monitor(remote, signals, json=json, plain=plain)
                from livemerc.pipeline.monitor import Monitor
                from livemerc.pipeline.recording_monitor import RecordingMonitor
                from livemerc.pipeline.resume import broken_off, is_complete

                if resume and record is not None and is_complete(record):
                    say(f"{record}: the session came to its end; there is nothing to resume.")
                    return EXIT_OK
                goes_on = broken_off(record, source, settings) if resume and record is not None else None
                monitor = RecordingMonitor(Monitor(source, settings), record, audio=record_audio, goes_on=goes_on)
                return show_monitor(monitor, signals, json=json, plain=plain)
        except KeyboardInterrupt:
            return EXIT_OK  # nothing was heard yet: nothing to flush


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

    settings = load_config(path, overrides)
    if settings.asr.engine == "transcript" and settings.asr.transcript is None and demo:
        return load_config(path, overrides | {"asr.transcript": str(sources.DEMO_FOLDER / "demo.vtt")})
    return settings


def _hub_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
