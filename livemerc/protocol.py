"""What a server of rooms and its clients say to each other, beside audio and events. docs/server.md tells it in words.

A client's first message is a `Hello`. Then it sends audio (binary messages, s16le mono) and `FromClient`; the server
sends `FromServer`. Audio is counted in samples of the client's own rate, events in `seq`, from 1 in each session.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from livemerc.purpose import Purpose

RESUME_WITHIN_S = 30.0
"""So long after a cut a source may go on where it was."""
LONGEST_BLOCK_S = 1.0
"""Of a binary message; 20 to 100 ms are sensible."""
LONGEST_MESSAGE_BYTES = 1 << 20
"""A second at the highest rate, and no text is as long."""
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 384_000

ROOM = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?", re.ASCII)
"""Names of rooms: they are part of addresses and of folders."""

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Pace = Literal["live", "file"]
Count = Annotated[int, Meta(ge=0, le=1 << 53)]


class Hello(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`speaker`: who speaks; `purpose` and `language` are the room's, given by whoever opens it. `session`: the source
    to go on with, as `Welcome` named it. `from`: the first event that is wanted. `pace`: `live`, or `file`: as fast as
    the server takes it, and nothing is ever given up for speed."""

    type: Literal["hello"] = "hello"
    speaker: Name | None = None
    purpose: Purpose | None = None
    language: Annotated[str, Meta(min_length=2, max_length=16)] | None = None
    session: Annotated[str, Meta(max_length=64)] | None = None
    pace: Pace = "live"
    from_seq: Annotated[int, Meta(ge=1, le=1 << 53)] = msgspec.field(default=1, name="from")


class End(msgspec.Struct, frozen=True, tag="end"):
    """Nothing more will come of this source."""


class Skip(msgspec.Struct, frozen=True, tag="skip"):
    """So many samples are lost for good: the client has not kept them."""

    samples: Count


FromClient = End | Skip


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """`session` names the source, for whoever resumes; `samples`: how many the server has; go on behind them."""

    session: str
    samples: int
    resume_within_s: float = RESUME_WITHIN_S


class Acknowledged(msgspec.Struct, frozen=True, tag="ack"):
    """So many samples are in the server's hands: they need not be kept any more."""

    samples: int


class Refused(msgspec.Struct, frozen=True, tag="error"):
    """One sentence with the mend; the connection closes."""

    error: str


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event of the room, as `livemerc.events` encodes it."""

    seq: int
    event: msgspec.Raw


FromServer = Welcome | Acknowledged | Refused

hello_decoder = msgspec.json.Decoder(Hello)
client_decoder: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)
server_decoder: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)
sent_decoder = msgspec.json.Decoder(Sent)


def sent(seq: int, event: bytes) -> str:
    """An encoded event with its number."""
    return f'{{"seq":{seq},"event":{event.decode()}}}'


def text(message: FromClient | FromServer | Hello) -> str:
    return msgspec.json.encode(message).decode()
