"""Which of a corpus' audio can be used, and how long it is: headers and a first decoded frame, or everything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from livemerc.audio.file_source import FileSource
from livemerc.errors import InputError
from trainer.corpora.corpus import Corpus, LabelledUtterance


@dataclass(slots=True)
class AudioReport:
    """How much of a corpus' audio can be used.

    `seconds`: {(split, dialogue_id, utterance_id): length} of the utterances whose audio decodes.
    `undecodable`: {file, or "file, line n" where a stretch is at fault: the sentence that says why}.
    """

    expected: int = 0
    seconds: dict[tuple[str, str, str], float] = field(default_factory=dict)
    undecodable: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    missing: int = 0

    @property
    def bad(self) -> int:
        """Utterances that should have audio and have none that can be used."""
        return self.expected - len(self.seconds)

    @property
    def bad_share(self) -> float:
        return self.bad / self.expected if self.expected else 0.0

    def limit(self, max_bad_share: float) -> str | None:
        """The sentence that stops the run where more than this share of the audio is missing or does not decode."""
        if self.bad_share <= max_bad_share:
            return None
        first = next(iter(self.undecodable), "")
        return (
            f"{self.bad} of {self.expected} utterances have no usable audio ({self.missing} missing, the rest does not "
            f"decode{', first ' + first if first else ''}), more than {max_bad_share:.1%}; complete the copy, or raise "
            "--max-bad-share."
        )


def probe_s(path: Path, *, decode: bool = False) -> tuple[float, list[str]]:
    """(length in seconds, sentences about what is cut short) of a file whose first audio decodes.

    Without `decode`, the length is what the container says. Raises `InputError` that names the file.
    """
    source = FileSource(path, speed=0, block_ms=1000.0)
    try:
        length_s = None if decode else source.duration_s or _container_s(path)
        if length_s is None:
            length_s = sum(len(block.samples) for block in source.blocks()) / source.rate_hz
        return length_s, list(source.warnings)
    finally:
        source.close()


def _container_s(path: Path) -> float | None:
    """FFmpeg's own figure, where the header declares no length (for Ogg, the time of the last page)."""
    import av

    with av.open(f"file:{path}", metadata_errors="replace") as container:
        return container.duration / 1e6 if container.duration is not None else None


def check_audio(corpus: Corpus, *, decode: bool = False, progress: bool = False) -> tuple[Corpus, AudioReport]:
    """The corpus without the audio that cannot be used (`audio` None), and the report that names it.

    Nothing is raised for a bad file: the caller asks `AudioReport.limit`. A file is opened once, however many
    utterances lie in it. `progress`: a bar on standard error where that is a terminal.
    """
    missing = len(corpus.missing_audio)
    report = AudioReport(missing=missing)
    with_audio = [(s, u) for s in corpus.splits for u in corpus.utterances(s) if u.audio is not None]
    report.expected = len(with_audio) + missing
    lengths: dict[Path, float | str] = {}
    for split, u in _shown(with_audio, progress):
        assert u.audio is not None
        if u.audio not in lengths:
            try:
                lengths[u.audio], warnings = probe_s(u.audio, decode=decode)
                report.warnings += warnings
            except InputError as error:
                lengths[u.audio] = str(error)
                report.undecodable[str(u.audio)] = str(error)
        length_s = lengths[u.audio]
        if isinstance(length_s, str):
            continue
        end_s = length_s if u.end_s is None else min(u.end_s, length_s)
        if end_s <= u.start_s:
            report.undecodable[u.where] = f"{u.where}: {u.audio} ends at {length_s:.2f} s, before the utterance begins."
            continue
        report.seconds[split, u.dialogue_id, u.utterance_id] = end_s - u.start_s
    usable = {
        split: [
            [
                u
                if u.audio is None or (split, u.dialogue_id, u.utterance_id) in report.seconds
                else replace(u, audio=None)
                for u in dialogue
            ]
            for dialogue in dialogues
        ]
        for split, dialogues in corpus.splits.items()
    }
    return replace(corpus, splits=usable), report


def _shown(utterances: list[tuple[str, LabelledUtterance]], progress: bool) -> Iterable[tuple[str, LabelledUtterance]]:
    if not progress:
        return utterances
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if not console.is_terminal:
        return utterances
    return track(utterances, "audio", console=console, transient=True)
