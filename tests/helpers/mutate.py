"""Mutations of sound inputs, drawn by Hypothesis: the readers must see what is almost right, not only rubbish."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

INTERESTING = (
    b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff\xff\xff\x7f", b"\x00" * 64,
    b"\n", b"\r\n", b" ", b'"', b"'", b"\\", b"[", b"{", b"]", b"}", b"-", b"-1", b"0", b"1e309", b"nan", b"9" * 30,
    b"9" * 5000, b"[" * 2000, b'{"a":' * 2000, b"\xef\xbb\xbf", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\x1b[2J",
    "\u202e".encode(), "\u2028".encode(), b"null", b"true", b"1.5", b"\\u0000", b"../", b"/etc/passwd",
    b"\xf0\x9f\x98\x80",
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """One of `seeds` after up to eight edits, mostly one or two: flips, overwrites, inserts, cuts, repeats, splices.

    words: what the format is made of, mixed in as it stands.
    """
    data = bytearray(draw(st.sampled_from(seeds)))
    pieces = st.one_of(
        st.sampled_from((*words, *INTERESTING)), st.sampled_from((*words, *INTERESTING)), st.binary(max_size=16)
    )
    for _ in range(draw(st.sampled_from((0, 1, 1, 1, 2, 2, 3, 5, 8)))):
        if not data:
            data += draw(pieces)
            continue
        # headers are where the sizes are: half of the edits fall into the first 64 bytes
        reach = draw(st.sampled_from((64, len(data))))
        at = draw(st.integers(0, min(reach, len(data)) - 1))
        length = draw(st.sampled_from((1, 1, 2, 4, 16, 256, len(data))))
        kind = draw(st.sampled_from(("flip", "set", "overwrite", "insert", "cut", "end", "repeat", "splice")))
        if kind == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set":
            data[at] = draw(st.integers(0, 255))
        elif kind == "overwrite":
            piece = draw(pieces)
            data[at : at + len(piece)] = piece
        elif kind == "insert":
            data[at:at] = draw(pieces)
        elif kind == "cut":
            del data[at : at + length]
        elif kind == "end":
            del data[at:]
        elif kind == "repeat":
            data[at:at] = data[at : at + length] * draw(st.sampled_from((1, 2, 20)))
        else:
            other = draw(st.sampled_from(seeds))
            begin = draw(st.integers(0, len(other)))
            data[at : at + length] = other[begin : begin + length]
    return bytes(data[: 1 << 20])
