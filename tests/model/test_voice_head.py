"""The voice head: bounded, shrunk, and cold without a baseline."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from livemerc.model.voice_head import VoiceHead

CONFIG: dict[str, Any] = {"rows": [0, 3], "kinds": ["mean", "deviation"], "dimension": 4, "labels": 7}
WIDTH = 16


def head(**config: Any) -> VoiceHead:
    torch.manual_seed(0)
    made = VoiceHead({**CONFIG, **config})
    torch.nn.init.normal_(made.mean)
    torch.nn.init.uniform_(made.deviation, 0.5, 2.0)
    return made.eval()


@given(st.floats(-1e6, 1e6, width=32), st.integers(0, 40))
def test_a_baseline_is_bounded_and_drawn_to_everybodys_mean(value: float, count: int) -> None:
    one = head(clip=3.0, shrinkage=5.0)
    z = one.standardise(torch.full((count, WIDTH), value))
    baseline = one.baseline(z)
    assert baseline.shape == (WIDTH + 2,)
    heard = count / (count + 5.0)
    assert bool((baseline[:-2].abs() <= 3.0 * heard + 1e-6).all())
    assert float(baseline[-2]) == pytest.approx(heard)
    assert bool(baseline.isfinite().all())


def test_who_was_never_heard_has_everybodys_baseline() -> None:
    assert not head().baseline(torch.zeros(0, WIDTH)).any()


@pytest.mark.parametrize("hidden", [0, 6])
def test_a_voice_counts_by_how_far_it_is_from_its_speakers_usual(hidden: int) -> None:
    one = head(hidden=hidden)
    z, shift = torch.randn(3, WIDTH), torch.randn(WIDTH)
    with torch.no_grad():
        logits = one(z, None)
        assert logits.shape == (3, 7)
        torch.testing.assert_close(one(z, one.nobody(3)), logits)
        shifted = torch.cat([shift, torch.zeros(2)]).expand(3, -1)
        torch.testing.assert_close(one(z + shift, shifted), logits)
        assert (one(z, shifted) - logits).abs().max() > 0.01


def test_a_head_that_sees_the_spread_tells_who_never_changes_from_who_shows_everything() -> None:
    one, blind = head(spread=5.0), head()
    middle = torch.randn(WIDTH)
    away = torch.randn(4, WIDTH)
    calm, lively = (torch.cat([middle + scale * away, middle - scale * away, middle[None]]) for scale in (0.1, 1.0))
    baselines = torch.stack([blind.baseline(z) for z in (calm, lively)])
    torch.testing.assert_close(baselines[0, :-1], baselines[1, :-1])  # the same median of as many
    assert baselines[0, -1] < baselines[1, -1]
    both = middle.expand(2, -1)
    torch.testing.assert_close(*blind(both, baselines))
    logits = one(both, baselines)
    assert (logits[0] - logits[1]).abs().max() > 0.01


@given(st.integers(1, 15), st.floats(-50, 50, width=32))
def test_fewer_than_half_that_are_shouted_leave_a_baseline_among_the_others(shouted: int, level: float) -> None:
    one = head(clip=100.0)
    calm = torch.randn(shouted + 1, WIDTH)
    baseline = one.baseline(torch.cat([calm, calm[:1] + level * torch.ones(shouted, WIDTH)]))
    count = 2 * shouted + 1
    median = baseline[:-2] * (count + 5.0) / count
    assert bool((median >= calm.amin(0) - 1e-4).all())
    assert bool((median <= calm.amax(0) + 1e-4).all())


@pytest.mark.parametrize(
    "change",
    [{"rows": []}, {"kinds": []}, {"kinds": ["median"]}, {"labels": 0}, {"dimension": -1}, {"hidden": -1},
     {"clip": 0.0}, {"shrinkage": 0.0}, {"spread": -0.5}, {"unknown": 1}, {"rows": "all"}],
)  # fmt: skip
def test_a_configuration_of_nonsense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="voice head"):
        VoiceHead({**CONFIG, **change})
