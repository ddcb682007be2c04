"""A folder of recordings -> transcripts, by the endpointing, recognisers and screening of livemerc."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from livemerc.asr.screening import screen
from livemerc.asr.select import choose_engine
from livemerc.audio.items import Utterance
from livemerc.config import Config, load_config
from livemerc.errors import InputError
from livemerc.model.checkpoint import file_sha256
from livemerc.text_safety import encodable
from trainer.corpora.audio_index import audio_files
from trainer.corpora.recordings import hear
from trainer.files import told
from trainer.loop.progress import Progress
from trainer.pseudo_labels.answers import Journal
from trainer.pseudo_labels.options import PseudoLabelOptions
from trainer.pseudo_labels.teachers import identity, sha256
from trainer.pseudo_labels.texts import SourceText, normalised

if TYPE_CHECKING:
    from livemerc.asr.engine import AsrEngine


class Heard(msgspec.Struct, array_like=True):
    """One utterance; times in seconds of the file; `gated`: why its text was screened out, None where it was not."""

    start_s: float
    end_s: float
    text: str
    gated: str | None


def transcribe_folder(folder: Path, options: PseudoLabelOptions) -> tuple[list[SourceText], dict[str, Any]]:
    """The utterances with words of all audio below `folder`, files in the order of their names; and the account.

    `source` is `file#start-end`, in seconds. Transcripts are kept in the journal file by file, under their content and
    every setting that they depend on. A file that does not decode is named, counted and passed over; `bad_files` of
    them raise `InputError`, as a folder without audio does. No model is fetched.
    """
    files = sorted(audio_files(folder, deep=True))
    if not files:
        raise InputError(f"{folder}: no audio in this folder (.wav, .flac, .mp3, ...); check the path.")
    overrides = {"asr.engine": options.asr, "asr.model": options.asr_model, "asr.language": options.language,
                 "model.device": options.device}  # fmt: skip
    config = load_config(None, {k: v for k, v in overrides.items() if v is not None} | {"offline": True})
    rows: list[SourceText] = []
    gated: Counter[str] = Counter()
    bad: list[str] = []
    known, speech_s = 0, 0.0
    with Journal(options.answers) as journal, Progress("transcribing", 0, len(files), unit="file") as progress:
        engine = choose_engine(config, announce=progress.say)
        settings = _settings(config, engine)
        try:
            for number, path in enumerate(files, start=1):
                name = encodable(path.relative_to(folder).as_posix())
                try:
                    with told(InputError, f"{path}: cannot be read", "check its permissions"):
                        key = sha256(f"{settings}\n{file_sha256(path)}")
                    kept = journal.transcript(key)
                    if kept is None:
                        heard = _transcribe(path, engine, config, progress)
                        journal.add_transcript(key, name, msgspec.to_builtins(heard))
                    else:
                        heard = msgspec.convert(kept, list[Heard])
                        known += 1
                except InputError as error:
                    bad.append(name)
                    progress.say(f"skipped: {error}")
                    if len(bad) >= options.bad_files:
                        raise InputError(
                            f"{folder}: {len(bad)} of {number} files cannot be decoded (the last: {name}); mend or "
                            "remove them, or raise --bad-files. The transcripts so far are kept."
                        ) from error
                    continue
                speech_s += sum(u.end_s - u.start_s for u in heard)
                gated.update(u.gated for u in heard if u.gated is not None)
                rows += [
                    SourceText(f"{name}#{u.start_s:.2f}-{u.end_s:.2f}", normalised(u.text))
                    for u in heard
                    if u.gated is None
                ]
                progress.update(number)
        finally:
            engine.close()
    return rows, {
        "engine": engine.engine,
        "model": engine.model,
        "files": len(files),
        "from_journal": known,
        "cannot_be_decoded": bad,
        "utterances": len(rows) + gated.total(),
        "speech_s": round(speech_s, 2),
        "gated": dict(sorted(gated.items())),
    }


def _settings(config: Config, engine: AsrEngine) -> str:
    sections = {name: msgspec.to_builtins(getattr(config, name)) for name in ("vad", "endpoint", "asr", "screening")}
    return identity(recogniser=engine.engine, model=engine.model, **sections)


def _transcribe(path: Path, engine: AsrEngine, config: Config, progress: Progress) -> list[Heard]:
    """Long recordings are cut as the live monitor cuts them."""
    heard = []
    for item in hear(config, path, say=progress.say):
        if isinstance(item, Utterance):
            transcript = screen(engine.transcribe(item), item, config.screening)
            heard.append(Heard(item.start_s, item.end_s, encodable(transcript.text), transcript.gated))
    return heard
