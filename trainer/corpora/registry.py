"""All corpora by name: `read_corpus("meld", path)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from livemerc.errors import ConfigError
from trainer.corpora.check import check as check_corpus
from trainer.corpora.corpus import Corpus

_READERS = {
    "meld": "meld:read_meld_corpus",
    "iemocap": "iemocap:read_iemocap",
    "mosi": "mosi:read_mosi",
}
CORPORA: tuple[str, ...] = tuple(_READERS)
"""The names that `read_corpus` knows."""


def options_of(name: str) -> tuple[str, ...]:
    """Names of the options of a corpus' reader. Raises `ConfigError` for an unknown corpus."""
    return tuple(p.name for p in inspect.signature(_reader(name)).parameters.values() if p.kind == p.KEYWORD_ONLY)


def read_corpus(
    name: str, path: Path, *, check: bool = True, allow_shared_speakers: bool = False, **options: Any
) -> Corpus:
    """The corpus `name` at `path`, read by its own reader (loaded here) with that reader's `options`.

    `check`: refuse what makes figures void (an empty split, one class only, a speaker in two splits; see
    `corpora.check`). Raises `ConfigError` (unknown corpus or option), `InputError` (whatever is wrong with the files).
    """
    reader = _reader(name)
    known = options_of(name)
    for option in options:
        if option not in known:
            raise ConfigError(
                f"corpus {name} has no option {option.replace('_', '-')}; it takes "
                f"{', '.join(o.replace('_', '-') for o in known) or 'none'}."
            )
    corpus: Corpus = reader(Path(path), **options)
    return check_corpus(corpus, allow_shared_speakers=allow_shared_speakers) if check else corpus


def _reader(name: str) -> Callable[..., Corpus]:
    if name not in _READERS:
        raise ConfigError(f"no corpus is called {name!r}; there are {', '.join(CORPORA)}.")
    module, function = _READERS[name].split(":")
    reader: Callable[..., Corpus] = getattr(import_module(f"trainer.corpora.{module}"), function)
    return reader
