"""All corpora by name: `read_corpus("meld", path)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from livemerc.errors import ConfigError
from trainer.corpora.check import check as check_corpus
from trainer.corpora.corpus import Corpus

_READERS = {
    "meld": "meld:read_meld_corpus",
    "iemocap": "iemocap:read_iemocap",
    "mosi": "mosi:read_mosi",
    "ravdess": "acted:read_ravdess_corpus",
    "nemo": "acted:read_nemo_corpus",
    "emorynlp": "emorynlp:read_emorynlp_corpus",
    "goemotions": "goemotions:read_goemotions_corpus",
    "emodb": "labelled_clips:read_emodb",
    "emovo": "labelled_clips:read_emovo",
    "emotiontts": "labelled_clips:read_emotiontts",
    "rakshak": "labelled_clips:read_rakshak",
    "ased": "labelled_clips:read_ased",
    "emogator": "labelled_clips:read_emogator",
    "readers": "labelled_clips:read_readers",
    "manifest": "manifest:read_manifest_corpus",
}
CORPORA: tuple[str, ...] = tuple(_READERS)
"""The names that `read_corpus` knows."""


def options_of(name: str) -> dict[str, Any]:
    """{option: its type} of a corpus' reader. Raises `ConfigError` for an unknown corpus."""
    reader = _reader(name)
    hints = get_type_hints(reader)
    parameters = inspect.signature(reader).parameters.values()
    return {p.name: hints[p.name] for p in parameters if p.kind == p.KEYWORD_ONLY}


def read_corpus(
    name: str, path: Path, *, check: bool = True, allow_shared_speakers: bool = False, **options: Any
) -> Corpus:
    """The corpus `name` at `path`, read by its own reader (loaded here) with that reader's `options`.

    `check`: refuse what makes figures void (an empty split, one class only, a speaker in two splits; see
    `corpora.check`). Raises `ConfigError` (unknown corpus or option), `InputError` (whatever is wrong with the files).
    """
    known = options_of(name)
    given = {}
    for option, value in options.items():
        shown = option.replace("_", "-")
        if option not in known:
            others = ", ".join(o.replace("_", "-") for o in known) or "none"
            raise ConfigError(f"corpus {name} has no option {shown}; it takes {others}.")
        try:
            given[option] = msgspec.convert(value, known[option], strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            choices = ", ".join(
                str(choice) for choice in get_args(known[option]) if get_origin(known[option]) is Literal
            )
            meant = f"give one of {choices}" if choices else str(error)
            raise ConfigError(f"corpus {name}, option {shown}: {value!r} will not do; {meant}.") from error
    corpus: Corpus = _reader(name)(Path(path), **given)
    return check_corpus(corpus, allow_shared_speakers=allow_shared_speakers) if check else corpus


def _path(kind: type, value: Any) -> Any:
    """What msgspec does not convert itself: folders and files, as strings in a configuration."""
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    raise TypeError(f"expected a path, got {value!r}")


def _reader(name: str) -> Callable[..., Corpus]:
    if name not in _READERS:
        raise ConfigError(f"no corpus is called {name!r}; there are {', '.join(CORPORA)}.")
    module, function = _READERS[name].split(":")
    reader: Callable[..., Corpus] = getattr(import_module(f"trainer.corpora.{module}"), function)
    return reader
