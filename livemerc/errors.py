"""What reaches the user on standard error: errors with their exit codes, warnings, and other sentences.

An error is one plain sentence with the mend. Nothing that is said here can steer a terminal.
"""

from __future__ import annotations

import sys

from livemerc.text_safety import plain_text

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_MODEL = 3
EXIT_MICROPHONE = 4
EXIT_INPUT = 5
EXIT_RUNTIME = 6


class LivemercError(Exception):
    """A failure with a mend. `str(error)` is the one sentence that is printed; `exit_code` ends the process."""

    exit_code = EXIT_RUNTIME


class ConfigError(LivemercError):
    """Usage or configuration: the sentence names the key with its path."""

    exit_code = EXIT_USAGE


class ModelError(LivemercError):
    """A model or checkpoint is missing, broken, or may not be fetched."""

    exit_code = EXIT_MODEL


class MicrophoneError(LivemercError):
    """No microphone, an unknown one, or no permission."""

    exit_code = EXIT_MICROPHONE


class InputError(LivemercError):
    """The input cannot be read or holds no audio."""

    exit_code = EXIT_INPUT


def cause_of(error: BaseException) -> str:
    """The cause in words, for a sentence of ours: the system's own where it gave one, else the error's message."""
    # av's errors have a strerror, and not all of them are an OSError
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def say(sentence: str) -> None:
    """`livemerc: SENTENCE` on standard error."""
    print(f"livemerc: {plain_text(sentence)}", file=sys.stderr, flush=True)


def warn(*sentences: str) -> None:
    """`livemerc: warning: SENTENCE`, a line each."""
    for sentence in sentences:
        say(f"warning: {sentence}")
