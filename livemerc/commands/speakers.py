"""`livemerc speakers`: voices that are known by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from livemerc.errors import EXIT_OK, ConfigError, say, warn

speakers_app = App(
    name="speakers",
    help="Enrol voices, so that `run --diarize` calls speakers by their names; list them, or forget them.",
)


@speakers_app.command
def enroll(
    name: str,
    /,
    *,
    mic: Annotated[list[str] | None, Parameter(consume_multiple=(0, 1), metavar="[NAME|INDEX]")] = None,
    file: Path | None = None,
    usual_voice: Annotated[bool, Parameter(negative="")] = False,
    consent: bool = False,
    config: Annotated[Path | None, Parameter(show=False)] = None,
) -> int:
    """Keep a print of somebody's voice on this machine, once they have agreed. docs/speakers.md says what it holds.

    Parameters
    ----------
    name
        What the speaker is to be called.
    mic
        Listen to a microphone: bare for the system's default, or its NAME or INDEX as `livemerc devices` lists them.
    file
        A recording in which that person speaks alone.
    usual_voice
        Keep beside the print how the voice usually sounds to the checkpoint in use, for `run --usual-voice`. Speak as
        you usually do.
    consent
        They have agreed: do not ask. For scripts; the date is kept.
    """
    from livemerc.commands import sources
    from livemerc.config import load_config
    from livemerc.console.enrolment import enrol
    from livemerc.speakers.voiceprints import Voiceprints, checked_name

    if (mic is None) == (file is None):
        raise ConfigError("say where the voice is to be heard: --mic or --file PATH, one of them.")
    settings = load_config(config)
    flag = "--mic" if file is None else "--file"
    made, path = enrol(
        checked_name(name),
        lambda: sources.open_source(flag, mic, file, None, 0.0, None, (), settings),
        settings,
        consent_given=consent,
        usual_voice=usual_voice,
        prints=Voiceprints(),
    )
    usual = "" if made.usual_voice is None else f" and how it usually sounds to {made.usual_voice.checkpoint}"
    print(f"{made.name}: enrolled with {made.voiced_s:.0f} s of voice{usual}; kept in {path}")
    return EXIT_OK


@speakers_app.command(name="list")
def list_speakers() -> int:
    """List who is enrolled: since when, with how much voice, whether how it usually sounds is kept, and for which
    checkpoint; and the date of their consent."""
    from livemerc.config import load_config
    from livemerc.speakers.choose import id_asked_for
    from livemerc.speakers.voiceprints import Voiceprints, of_embedder

    prints = Voiceprints()
    found = prints.read()
    if not found.prints and not found.damaged:
        print(f"nobody is enrolled (voiceprints would be in {prints.folder})")
        return EXIT_OK
    own, others = of_embedder(found.prints, id_asked_for(load_config().speakers.embedder))
    width = max((len(one.name) for one in found.prints), default=0)
    for one in found.prints:
        other = "" if one in own else f", by another embedder ({one.embedder.name}): not compared"
        usual = "" if one.usual_voice is None else f"usual voice for {one.usual_voice.checkpoint}, "
        print(
            f"{one.name:<{width}}  {one.enrolled_at[:10]}, {one.voiced_s:.0f} s of voice, {usual}"
            f"consent of {one.consent.given_at[:10]} ({one.consent.how}){other}"
        )
    warn(*found.damaged, *others)
    return EXIT_OK


@speakers_app.command
def forget(name: str | None = None, /, *, everybody: Annotated[bool, Parameter(name="--all")] = False) -> int:
    """Take a voiceprint away, or all of them, with the usual voice beside it.

    Parameters
    ----------
    name
        Who is to be forgotten.
    everybody
        All voiceprints, also damaged ones.
    """
    from livemerc.speakers.voiceprints import Voiceprints

    if (name is None) != everybody:
        raise ConfigError("say who is to be forgotten: a NAME, or --all.")
    prints = Voiceprints()
    if name is None:
        count = prints.forget_all()
        say(f"{count} voiceprint{'' if count == 1 else 's'} taken away")
    elif prints.forget(name):
        say(f"{name}: voiceprint taken away")
    else:
        raise ConfigError(f"nobody called {name} is enrolled; `livemerc speakers list` says who is.")
    return EXIT_OK
