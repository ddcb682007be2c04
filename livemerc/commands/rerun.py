"""`livemerc rerun`: a recorded session through another model."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from livemerc.commands.checks import check_output, check_recognition, check_voice
from livemerc.errors import EXIT_OK, warn
from livemerc.purpose import Purpose
from livemerc.runtime import process


def rerun(
    directory: Path,
    /,
    *,
    record: Annotated[Path | None, Parameter(name=("--record", "-o"), metavar="DIR")] = None,
    record_audio: bool = False,
    from_text: bool = False,
    as_heard: bool = False,
    asr: Literal["auto", "faster-whisper", "transcript", "none"] | None = None,
    transcript: Path | None = None,
    model: str | None = None,
    language: str | None = None,
    asr_window: Literal["auto", "full", "adaptive"] | None = None,
    vad: Literal["webrtc", "silero"] | None = None,
    checkpoint: Path | None = None,
    device: Literal["auto", "cpu", "cuda"] | None = None,
    context: int | None = None,
    text_only: bool | None = None,
    purpose: Purpose | None = None,
    judge_voice_of: Annotated[str | None, Parameter(metavar="NAME,NAME")] = None,
    offline: bool = False,
    json: bool = False,
    plain: bool = False,
) -> int:
    """Run a recorded session through another model, into a new session; without recorded audio its words.

    What no flag says is as it was when the session was recorded.

    Parameters
    ----------
    directory
        The session's folder (`run --record`), or a file of events that `run --json` printed.
    record
        Folder of the new session: it must be new or empty (default: the old one's name and -rerun, beside it).
    record_audio
        Put the audio into the new session, too.
    from_text
        Judge the recorded words, also where audio was kept; the voice is then not judged.
    as_heard
        With the recorded words: without a person's corrections (`livemerc label`), which are otherwise taken.
    asr
        Speech recogniser for the recorded audio.
    transcript
        Sidecar transcript (VTT, SRT or STM) instead of a recogniser.
    model
        Whisper size (tiny, base, small, ...) or the path of a converted model.
    language
        Language code of the speech for Whisper.
    asr_window
        What Whisper looks at: its full 30 s, or adaptive, the utterance and a margin (default auto: adaptive, but full
        where the checkpoint's voice needs that).
    vad
        Voice activity detector.
    checkpoint
        Folder of an emotion checkpoint.
    device
        Where to compute.
    context
        Utterances the model sees, the newest one included.
    text_only
        Judge the words alone: no inference from the voice (--text-only=false: judge it although it was not).
    purpose
        What the new session is for. What was recorded for work or education stays that, and words alone are judged.
    judge_voice_of
        Judge the voices of these channels alone, for instance me; of the others only words.
    offline
        Make no network call at all.
    json
        Events as JSON Lines on standard output, and nothing else there.
    plain
        One line per settled label instead of the dashboard.
    """
    check_output(json=json, plain=plain)
    check_recognition(transcript, asr, text_only=bool(text_only), purpose=purpose)
    check_voice(judge_voice_of, text_only=bool(text_only))
    settings = {
        "vad.engine": vad,
        "asr.engine": "transcript" if transcript is not None else asr,
        "asr.transcript": None if transcript is None else str(transcript),
        "asr.model": model,
        "asr.language": language,
        "asr.window": asr_window,
        "model.checkpoint": None if checkpoint is None else str(checkpoint),
        "model.device": device,
        "model.text_only": text_only,
        "dialogue.context": context,
        "offline": True if offline else None,
        "purpose": purpose,
        "judge_voice_of": judge_voice_of,
    }
    with process.StopOnSignal() as signals:
        try:
            from livemerc.asr.select import find_engine
            from livemerc.console.show import show_monitor
            from livemerc.pipeline.rerun import Options, RecordedAudio, open_rerun
            from livemerc.sessions.folder import session_of

            options = Options(
                new=record, from_text=from_text, as_heard=as_heard, record_audio=record_audio, settings=settings
            )
            with closing(open_rerun(session_of(directory), options)) as new:
                warn(*new.session.warnings)
                if isinstance(new.source, RecordedAudio):  # before the new session's folder is made
                    find_engine(new.config)
                return show_monitor(new.begin(), signals, json=json, plain=plain)
        except KeyboardInterrupt:
            return EXIT_OK
