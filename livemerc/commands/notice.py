"""`livemerc notice`: what people who are listened to are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from livemerc.commands.checks import check_voice
from livemerc.errors import EXIT_OK
from livemerc.purpose import Purpose


def notice(
    *,
    purpose: Purpose | None = None,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), metavar="FILE.html")] = None,
    text_only: bool = False,
    judge_voice_of: Annotated[str | None, Parameter(metavar="NAME,NAME")] = None,
    diarize: bool = False,
) -> int:
    """Write what to show or hand to those who will be listened to: on standard output, or as a page to print.

    It tells what happens to their voices with the settings that `livemerc run` would use. docs/law.md says why.

    Parameters
    ----------
    purpose
        What the session is for (default: as configured, else personal).
    output
        The HTML page, written whole or not at all, over an earlier one (default: plain text on standard output).
    text_only
        For a session with --text-only.
    judge_voice_of
        For a session with --judge-voice-of.
    diarize
        For a session with --diarize, if voices are enrolled (`livemerc speakers`).
    """
    from livemerc.config import load_config
    from livemerc.export import output as files
    from livemerc.report.notice import as_html, as_text, sections
    from livemerc.speakers.voiceprints import Voiceprints

    check_voice(judge_voice_of, text_only=text_only)
    asked = {
        "purpose": purpose, "model.text_only": text_only or None, "judge_voice_of": judge_voice_of,
        "speakers.diarize": diarize or None,
    }  # fmt: skip
    settings = load_config(None, asked)
    scope = settings.voice
    compared = settings.speakers.diarize and settings.speakers.voiceprints and bool(Voiceprints().read().prints)
    found = sections(scope, compared=compared)
    if output is None:
        files.write_stdout(as_text(found, scope).encode())
    else:
        files.check_target(output, output.parent)
        files.write_file(as_html(found, scope).encode(), output)
    return EXIT_OK
