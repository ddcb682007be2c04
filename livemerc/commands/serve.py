"""`livemerc serve`: rooms over the network, and a page that listens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from livemerc.commands.checks import check_recognition, read_token
from livemerc.errors import EXIT_OK, ConfigError, cause_of, say
from livemerc.purpose import Purpose
from livemerc.runtime import process

if TYPE_CHECKING:
    import ssl

_network = Group("Network", sort_key=1)
_listening = Group("Listening", sort_key=2)
_kept = Group("What is kept", sort_key=3)
_SHORTEST_TOKEN = 16


def serve(
    *,
    host: Annotated[str, Parameter(group=_network)] = "127.0.0.1",
    port: Annotated[int, Parameter(group=_network)] = 8765,
    rooms: Annotated[int, Parameter(group=_network)] = 16,
    token: Annotated[str | None, Parameter(group=_network, metavar="TOKEN|@FILE")] = None,
    tls_cert: Annotated[Path | None, Parameter(group=_network, metavar="FILE")] = None,
    tls_key: Annotated[Path | None, Parameter(group=_network, metavar="FILE")] = None,
    without_tls: Annotated[bool, Parameter(group=_network)] = False,
    asr: Annotated[Literal["auto", "faster-whisper", "none"] | None, Parameter(group=_listening)] = None,
    model: Annotated[str | None, Parameter(group=_listening)] = None,
    language: Annotated[str | None, Parameter(group=_listening)] = None,
    checkpoint: Annotated[Path | None, Parameter(group=_listening)] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"] | None, Parameter(group=_listening)] = None,
    text_only: Annotated[bool, Parameter(group=_listening)] = False,
    purpose: Annotated[Purpose | None, Parameter(group=_listening)] = None,
    record: Annotated[Path | None, Parameter(group=_kept, metavar="DIR")] = None,
    record_audio: Annotated[bool, Parameter(group=_kept)] = False,
    webhook: Annotated[str | None, Parameter(group=_kept, metavar="URL")] = None,
    webhook_secret: Annotated[Path | None, Parameter(group=_kept, metavar="FILE")] = None,
    config: Path | None = None,
    debug: bool = False,
) -> int:
    """Serve rooms: audio comes over WebSockets, events go back. A page at / listens to a browser's microphone.

    One process, one recogniser and one model for all rooms. docs/server.md has the protocol. Ctrl+C flushes every room.

    Parameters
    ----------
    host
        The address to listen on (default 127.0.0.1: this machine alone). On any other a token is needed, and TLS.
    port
        The port (default 8765; 0 = a free one).
    rooms
        How many rooms there may be at once (default 16).
    token
        What clients must know, at least 16 characters; @FILE reads it from a file, out of sight of other users.
    tls_cert
        Certificate (PEM, with its chain): the connection is encrypted.
    tls_key
        Its key (default: in the certificate's file).
    without_tls
        Another address than this machine's without TLS: voices, words and the token go over the network as they are.
    asr
        Speech recogniser (default auto: the best cached Whisper, else tiny.en, which ships; nothing is fetched).
    model
        Whisper size (tiny, base, small, ...) or the path of a converted model.
    language
        Language code of the speech, unless a room says otherwise (default: detected).
    checkpoint
        Folder of an emotion checkpoint (default: the compact one that ships).
    device
        Where to compute (default auto).
    text_only
        Judge the words alone: no inference from any voice.
    purpose
        What rooms are for that do not say it themselves (default personal). Where it is work or education, no room may
        be for anything else.
    record
        Folder in which each session gets a folder of its own. Without it nothing is written.
    record_audio
        Record what is heard, too; then a room takes one source.
    webhook
        An address of your own that gets each room's events, signed (default: none).
    webhook_secret
        File with the secret that signs them, at least 16 characters.
    config
        TOML file with any setting (default: livemerc.toml in the user's configuration folder).
    debug
        Show tracebacks and the libraries' own messages.
    """
    if not 0 <= port <= 65535:
        raise ConfigError("--port is 1 to 65535, or 0 for a free one.")
    if rooms < 1:
        raise ConfigError(f"--rooms {rooms}: at least one room is needed.")
    if record_audio and record is None:
        raise ConfigError("--record-audio goes with --record DIR, which says where to; give both.")
    check_recognition(None, asr, text_only=text_only, purpose=purpose)
    if (webhook is None) != (webhook_secret is None):
        raise ConfigError("--webhook URL and --webhook-secret FILE go together; give both.")
    secret = _token(token)
    tls = _tls(tls_cert, tls_key)
    from livemerc.web.addresses import is_loopback

    if not is_loopback(host):
        if secret is None:
            raise ConfigError(f"--host {host}: others reach this address, so a token is needed; give --token @FILE.")
        if tls is None and not without_tls:
            raise ConfigError(
                f"--host {host}: others can listen on the way to this address; give --tls-cert, or say --without-tls."
            )
    from livemerc.config import load_config

    settings = load_config(
        config,
        {
            "asr.engine": asr,
            "asr.model": model,
            "asr.language": language,
            "model.checkpoint": None if checkpoint is None else str(checkpoint),
            "model.device": device,
            "model.text_only": True if text_only else None,
            "purpose": purpose,
        },
    )
    import asyncio

    from livemerc.server.app import Address, RoomServer
    from livemerc.server.limits import Limits
    from livemerc.server.webhooks import Webhook

    with process.StopOnSignal() as signals:
        try:
            address = Address(host=host, port=port, token=secret, tls=tls)
            hook = None
            if webhook is not None and webhook_secret is not None:
                signed = _token(f"@{webhook_secret}", "--webhook-secret")
                assert signed is not None
                hook = Webhook(webhook, signed.encode())
            server = RoomServer(
                settings, address, Limits(rooms=rooms), record=record, record_audio=record_audio, webhook=hook
            )

            def ready() -> None:
                for sentence in server.streams.announcements:
                    say(sentence)
                if record is not None:
                    say(f"each session is recorded in {record} ({'events and audio' if record_audio else 'events'})")
                print(server.url, flush=True)
                say("open this address in a browser, or send audio there (livemerc run --to). Ctrl+C ends.")
                signals.call(server.stop)

            asyncio.run(server.run(ready))
        except KeyboardInterrupt:
            return EXIT_OK
    return EXIT_OK


def _token(given: str | None, flag: str = "--token") -> str | None:
    token = read_token(given, flag)
    if token is not None and (len(token) < _SHORTEST_TOKEN or re.fullmatch(r"[!-~]+", token) is None):
        raise ConfigError(
            f"{flag}: a secret is at least {_SHORTEST_TOKEN} letters, digits and signs; for instance what "
            "`openssl rand -hex 24` prints."
        )
    return token


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None:
        if key is not None:
            raise ConfigError("--tls-key goes with --tls-cert; give both.")
        return None
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--tls-cert {cert}: cannot be used ({cause_of(error)}); check both files.") from error
    return context
