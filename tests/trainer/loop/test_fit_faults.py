"""The loop under fire: killed inside an epoch, on a full disk, on two processes, with a loss that is no number."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.command_line import environment
from helpers.paths import PROJECT
from helpers.trainer.small_fit import network, one_phase, run, same
from torch import nn

from livemerc.errors import ConfigError, LivemercError
from trainer.loop.fit import fit
from trainer.loop.processes import groups, share
from trainer.loop.stage import warm_up_then_down


def script(
    body: str, *arguments: str | Path, launcher: tuple[str, ...] = (), **env: str
) -> subprocess.CompletedProcess:
    """A process of its own that may use `small_fit`."""
    head = (
        "import os, sys\nfrom pathlib import Path\nimport torch\nfrom helpers.trainer import small_fit\n"
        "torch.set_num_threads(1)\n"
    )
    file = Path(arguments[0]).parent / "script.py"
    file.write_text(head + body)
    path = f"{PROJECT}:{PROJECT / 'tests'}"
    return subprocess.run(
        [sys.executable, *launcher, str(file), *map(str, arguments)],
        cwd=PROJECT, env=environment(PYTHONPATH=path, **env), capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip


KILLED = """
import signal
import trainer.loop.fit as fit
real, steps = fit._step, []
def dying(*arguments):
    steps.append(1)
    if len(steps) == 20:  # the eighth of the twelve steps of the second epoch
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
fit._step = dying
small_fit.run(Path(sys.argv[1]), save_every=int(sys.argv[2]), accumulate=int(sys.argv[3]))
"""


@pytest.mark.parametrize("save_every", [0, 3])
def test_a_run_killed_inside_an_epoch_ends_with_the_weights_of_one_that_was_not(
    tmp_path: Path, save_every: int
) -> None:
    cut = tmp_path / "cut"
    done = script(KILLED, cut, str(save_every), "1")
    assert done.returncode == -signal.SIGKILL, done.stderr
    at = json.loads(torch.load(cut / "small.resume.pt", weights_only=True)["at"])
    assert (at["epoch"], at["step"]) == (2, 6 if save_every else 0)
    resumed, best = run(cut, save_every=save_every)
    whole, best_whole = run(tmp_path / "whole")
    assert same(whole, resumed)
    assert {k: v for k, v in best.items() if k != "seconds"} == {k: v for k, v in best_whole.items() if k != "seconds"}
    epochs = [json.loads(line)["epoch"] for line in (cut / "small.jsonl").read_text().splitlines()]
    assert epochs == [1, 2, 3]


def test_an_epoch_that_was_logged_but_not_saved_is_not_in_the_log_twice(tmp_path: Path) -> None:
    run(tmp_path, epochs=2)
    with (tmp_path / "small.jsonl").open("a") as log:
        log.write('{"epoch": 3, "score": 0}\n')
    run(tmp_path, epochs=3)
    assert [json.loads(line)["epoch"] for line in (tmp_path / "small.jsonl").read_text().splitlines()] == [1, 2, 3]


def test_accumulated_batches_are_one_batch_of_their_mean(tmp_path: Path) -> None:
    steps: list[float] = []
    module = nn.Linear(2, 1, bias=False)
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0], [1.0, 1.0], [3.0, 0.0]])

    def run_with(batches: list[list[int]], accumulate: int, out: Path) -> torch.Tensor:
        nn.init.ones_(module.weight)
        steps.clear()
        stage = one_phase(
            module, lambda _: batches, lambda rows: module(x[rows]).square().mean(), lambda: {"score": 0.0},
            accumulate=accumulate, clip=1e9,
        )  # fmt: skip
        fit(stage, out)
        return module.weight.detach().clone()

    accumulated = run_with([[0, 1], [2, 3], [4]], 2, tmp_path / "accumulated")
    torch.testing.assert_close(accumulated, run_with([[0, 1, 2, 3], [4]], 1, tmp_path / "whole"))


def test_frozen_parameters_do_not_move_by_a_bit(tmp_path: Path) -> None:
    module = network()
    module[0].requires_grad_(False)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    x, y = torch.randn(8, 6), torch.randint(3, (8,))
    stage = one_phase(
        module, lambda _: [0, 1], lambda _: nn.functional.cross_entropy(module(x), y), lambda: {"score": 0.0}, 2,
        weight_decay=0.5,
    )  # fmt: skip
    fit(stage, tmp_path)
    after = module.state_dict()
    assert {k for k in before if torch.equal(before[k], after[k])} == {"0.weight", "0.bias"}


def test_max_steps_ends_a_stage_after_so_many_steps(tmp_path: Path) -> None:
    _, best = run(tmp_path, epochs=9, max_steps=14)
    assert [json.loads(line)["epoch"] for line in (tmp_path / "small.jsonl").read_text().splitlines()] == [1, 2]
    assert best["epoch"] in (1, 2)


def test_the_rate_follows_its_schedule(tmp_path: Path) -> None:
    still, _ = run(tmp_path / "still", epochs=1, rate=lambda _: 0.0)
    # the rate is 0, so is the decay: nothing may move
    assert same(still, network())
    assert [round(warm_up_then_down(s, 4, 8), 3) for s in range(9)] == [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_what_was_saved(tmp_path: Path) -> None:
    with pytest.raises(LivemercError, match="small, epoch 2, step 3: the loss or its gradient is not finite; lower"):
        run(tmp_path, broken_at=15)
    assert (tmp_path / "small.best.pt").exists()
    resumed, _ = run(tmp_path)
    assert same(resumed, run(tmp_path.with_name("whole"))[0])


def test_a_dev_score_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    module = network()

    def score() -> dict[str, float]:
        return {"score": float("nan")}

    with pytest.raises(LivemercError, match="dev score of epoch 1 is not a number"):
        fit(one_phase(module, lambda _: [0], lambda _: module(torch.ones(1, 6)).sum(), score), tmp_path)


def test_an_epoch_without_a_batch_is_an_error(tmp_path: Path) -> None:
    module = network()
    with pytest.raises(LivemercError, match="nothing to train on"):
        fit(one_phase(module, lambda _: [], lambda _: torch.zeros(()), lambda: {"score": 0.0}), tmp_path)


def test_a_run_begun_otherwise_is_refused_by_its_setting(tmp_path: Path) -> None:
    run(tmp_path, begun_with={"text": {"lr": 1e-4, "batch": 8}})
    with pytest.raises(ConfigError, match=r"was begun with text\.lr = 0\.0001, now it is 0\.001; name another --out"):
        run(tmp_path, begun_with={"text": {"lr": 1e-3, "batch": 8}})


@pytest.mark.parametrize("file", ["small.resume.pt", "small.best.pt"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_state_is_named_with_its_mend(tmp_path: Path, file: str, share: float) -> None:
    run(tmp_path, epochs=2, scores=[2.0, 1.0])
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ConfigError, match=rf"{file}: cannot be read \(.*\); train this stage again with --overwrite"):
        run(tmp_path, epochs=2, scores=[2.0, 1.0])


@pytest.mark.parametrize("state", [{"module": {}}, {"format": 3, "at": "{}"}, [1, 2]])
def test_a_state_of_another_version_is_named_with_its_mend(tmp_path: Path, state: object) -> None:
    torch.save(state, tmp_path / "small.resume.pt")
    with pytest.raises(ConfigError, match=r"small\.resume\.pt: written by another version; .*--overwrite"):
        run(tmp_path)


FULL = """
import resource, signal
from livemerc.errors import LivemercError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
small_fit.run(Path(sys.argv[1]), epochs=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))  # no file may grow beyond: as a full disk, a write fails
try:
    small_fit.run(Path(sys.argv[1]), epochs=2)
except LivemercError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_a_full_disk_is_one_sentence_and_the_state_before_is_kept(tmp_path: Path) -> None:
    done = script(FULL, tmp_path / "cut")
    assert done.returncode == 6, done.stderr
    assert "cannot be written (File too large); make room and run the same command again" in done.stdout
    assert not list((tmp_path / "cut").glob("*.part"))
    assert json.loads(torch.load(tmp_path / "cut" / "small.resume.pt", weights_only=True)["at"])["epoch"] == 2
    assert same(run(tmp_path / "cut")[0], run(tmp_path / "whole")[0])


def test_tensorboard_gets_what_the_log_holds(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path, epochs=2, tracker=tmp_path / "board")
    logged = [json.loads(line)["score"] for line in (tmp_path / "small.jsonl").read_text().splitlines()]
    events = EventAccumulator(str(tmp_path / "board")).Reload().Scalars("small/score")
    assert [e.step for e in events] == [1, 2]
    assert [e.value for e in events] == pytest.approx(logged, rel=1e-6)


def test_processes_share_the_batches_and_make_the_same_number_of_steps() -> None:
    parts = [list(share(range(7), rank, 3)) for rank in range(3)]
    assert parts == [[0, 3, 6], [1, 4, 6], [2, 5, 6]]
    assert list(share(range(4), 0, 1)) == [0, 1, 2, 3]
    assert list(groups(range(5), 2)) == [[0, 1], [2, 3], [4]]


TWO = """
import hashlib
seen = []
import trainer.loop.fit as fit
real = fit._step
def watching(group, *rest):
    seen.append([int(r) for batch in group for r in batch])
    return real(group, *rest)
fit._step = watching
if os.environ["RANK"] == "1":
    first = small_fit.network
    def other():  # another start must not survive the first exchange
        module = first()
        torch.nn.init.ones_(module[0].weight)
        return module
    small_fit.network = other
module, best = small_fit.run(Path(sys.argv[1]), save_every=2)
digest = hashlib.sha256(b"".join(v.numpy().tobytes() for v in module.state_dict().values())).hexdigest()
finite = all(bool(torch.isfinite(v).all()) for v in module.state_dict().values())
Path(sys.argv[1], "rank" + os.environ["RANK"]).write_text(repr((digest, finite, best["epoch"], seen)))
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_train_one_network_on_different_batches(tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = script(TWO, tmp_path / "out", launcher=launcher, ACCELERATE_USE_CPU="true")
    assert done.returncode == 0, done.stderr
    first, second = (eval((tmp_path / "out" / f"rank{rank}").read_text()) for rank in (0, 1))
    assert first[:3] == second[:3]
    assert first[1] is True
    assert len(first[3]) == len(second[3]) == 18  # three epochs of twelve batches, shared
    epoch = sorted(r for part in (first, second) for batch in part[3][:6] for r in batch)
    assert epoch == list(range(96))
    alone, _ = run(tmp_path / "alone")
    assert not torch.equal(
        alone[0].weight, torch.load(tmp_path / "out" / "small.best.pt", weights_only=True)["0.weight"]
    )
