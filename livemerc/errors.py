"""Errors that reach the user: one plain sentence with the mend, and the exit code of the contract."""

from __future__ import annotations

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
