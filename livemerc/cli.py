"""The command line: errors become one sentence and an exit code. The commands are in `livemerc.commands`.

Top-level imports are tiny on purpose, so that `livemerc --help` answers before numpy, torch or Textual could load.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError
from cyclopts.exceptions import UnusedCliTokensError

from livemerc.commands.root import app
from livemerc.errors import EXIT_OK, EXIT_RUNTIME, EXIT_USAGE, LivemercError, say
from livemerc.runtime import process


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Entry point: parse, run, and end the process with the contract's exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the descriptor was closed at the start; that nobody reads is no failure
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
        # parsing is apart from running, because a ValueError inside a command is no usage error
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
    """Name a bare --mic `default` beside another one, because a flag that may be bare cannot be given twice."""
    if argv.count("--mic") < 2:
        return argv
    named = []
    for word, following in zip(argv, [*argv[1:], "-"], strict=True):
        named += [word, "default"] if word == "--mic" and following.startswith("-") else [word]
    return named


def _interrupted(argv: list[str]) -> int:
    """The exit code of a stop before a session began. A `run` or `rerun` has nothing to flush, and has ended well."""
    return EXIT_OK if argv[:1] in (["run"], ["rerun"]) else process.EXIT_AT_ONCE


def _fail(sentence: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    say(" ".join(sentence.split()))
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
    # torch reads this as it loads: two spinning OpenMP threads beside another program slow small networks 200-fold
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if debug:
        import logging

        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s: %(message)s")
    elif not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' notices to developers


if __name__ == "__main__":
    main()
