"""An asynchronous iterator in a thread of its own: what it gives, and what it raises, whatever that is."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from livemerc.runtime.incoming import Incoming


@pytest.mark.parametrize("failure", [EOFError("the pipe is closed"), OSError("gone"), None])
def test_what_it_raises_is_raised_where_items_are_taken(failure: Exception | None) -> None:
    async def items() -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        if failure is not None:
            raise failure

    taken: list[int] = []
    with Incoming(items) as incoming:
        if failure is None:
            taken = list(incoming)
        else:
            with pytest.raises(type(failure), match=str(failure)):
                taken.extend(incoming)
    assert taken == [1, 2]
