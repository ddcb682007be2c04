"""A folder of recordings -> transcripts, by the endpointing, recognisers and screening of livemerc."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from livemerc.asr.select import choose_engine
from livemerc.config import Config, load_config
from livemerc.errors import InputError
from livemerc.model.checkpoint import file_sha256
from livemerc.text_safety import encodable
from trainer.corpora.audio_index import audio_files
from trainer.files import told
from trainer.loop.progress import Progress
from trainer.pseudo_labels.answers import Journal
from trainer.pseudo_labels.hearing import Heard, transcribe
from trainer.pseudo_labels.options import PseudoLabelOptions
from trainer.pseudo_labels.teachers import identity, sha256
from trainer.pseudo_labels.texts import SourceText, normalised

if TYPE_CHECKING:
    from livemerc.asr.engine import AsrEngine


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
        elsewhere = _Elsewhere()
        try:
            if options.ray:
                elsewhere = _transcribe_on_ray(folder, files, settings, config, options, journal, progress)
            for number, path in enumerate(files, start=1):
                name = encodable(path.relative_to(folder).as_posix())
                try:
                    with told(InputError, f"{path}: cannot be read", "check its permissions"):
                        key = _key(settings, path)
                    kept = journal.transcript(key)
                    if key in elsewhere.bad:
                        raise elsewhere.bad[key]
                    if kept is None:
                        heard = transcribe(path, engine, config, progress.say)
                        journal.add_transcript(key, name, msgspec.to_builtins(heard))
                    else:
                        heard = msgspec.convert(kept, list[Heard])
                        known += key not in elsewhere.new
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
                if not options.ray:
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


@dataclass(slots=True)
class _Elsewhere:
    """What workers were asked for, by key: recordings that they transcribed, and those that do not decode."""

    new: set[str] = field(default_factory=set)
    bad: dict[str, InputError] = field(default_factory=dict)


def _transcribe_on_ray(
    folder: Path,
    files: Sequence[Path],
    settings: str,
    config: Config,
    options: PseudoLabelOptions,
    journal: Journal,
    progress: Progress,
) -> _Elsewhere:
    """Brings into the journal what is not in it yet; each content once."""
    from trainer.pseudo_labels.on_ray import transcripts

    pending: dict[str, Path] = {}
    for path in files:
        with contextlib.suppress(OSError):  # told, in its turn, by whoever reads the journal
            key = _key(settings, path)
            if key not in pending and journal.transcript(key) is None:
                pending[key] = path
    found = _Elsewhere()
    if not pending:
        return found
    wanted = [(key, path.absolute()) for key, path in pending.items()]
    with contextlib.closing(transcripts(wanted, msgspec.json.encode(config), options, progress.say)) as coming:
        for key, heard in coming:
            if isinstance(heard, InputError):
                found.bad[key] = heard
            else:
                name = encodable(pending[key].relative_to(folder).as_posix())
                journal.add_transcript(key, name, msgspec.json.decode(heard))
                found.new.add(key)
            progress.update(len(files) - len(pending) + len(found.new) + len(found.bad))
            if len(found.bad) >= options.bad_files:
                break  # the sentence is that of any run
    return found


def _key(settings: str, path: Path) -> str:
    """Raises `OSError`."""
    return sha256(f"{settings}\n{file_sha256(path)}")


def _settings(config: Config, engine: AsrEngine) -> str:
    sections = {name: msgspec.to_builtins(getattr(config, name)) for name in ("vad", "endpoint", "asr", "screening")}
    return identity(recogniser=engine.engine, model=engine.model, **sections)
