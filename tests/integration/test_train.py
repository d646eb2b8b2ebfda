"""vision.train as it is run: alone, under torchrun, as Azure ML starts it, and killed with SIGKILL in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vision import checkpoint
from vision.batches import Plan
from vision.data import LABELS, Split, load_split
from vision.distributed import World
from vision.learner import Learner, Settings
from vision.prepare import Recipe, make_splits, write_splits
from vision.train import Output, main, read_inputs, train

REPOSITORY = Path(__file__).resolve().parents[2]
# Gradients are compared as they are, so none is cut.
SETTINGS = Settings("cnn", width=8, epochs=3, batch_size=49, seed=7, learning_rate=0.02, gradient_norm=1e9)
OPTIONS = "--network cnn --width 8 --epochs 3 --batch-size 49 --seed 7 --learning-rate 0.02 --gradient-norm 1e9".split()
KILL = "os.kill(os.getpid(), signal.SIGKILL)"

# A training that kills its first process at a chosen point, and notes each step's gradient before.
KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from vision import files, learner, resume, train

point, notes = sys.argv.pop(1), Path(sys.argv.pop(1))
saves = []

def save_state(*arguments):
    saves.append(arguments)
    if point == "while-writing" and len(saves) == 2:
        files.Path.replace = lambda *_: {kill}
    resume.save_state(*arguments)
    if point == "after-checkpoint" and len(saves) == 2:
        {kill}

def take_step(self, step):
    size = real_step(self, step)
    gradient = torch.cat([parameter.grad.flatten() for parameter in self.model.parameters()])
    torch.save(gradient, notes / f"{{step}}.{{self.world.rank}}.pt")
    if point == "in-an-epoch" and self.world.is_first and step == 8:
        {kill}
    return size

real_step, learner.Learner.take_step = learner.Learner.take_step, take_step
train.save_state = save_state
sys.exit(train.main())
""".format(kill=KILL)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder of 197 training and 28 validation images, whose class shows as a bright row."""
    labels = np.arange(240, dtype=np.int64) % len(LABELS)
    images = np.random.default_rng(1).integers(0, 90, (240, 28, 28), np.uint8)
    images[np.arange(240), 2 * labels + 3] = 255
    folder = tmp_path_factory.mktemp("data")
    recipe = Recipe(seed=7, validation_share=28 / 225, calibration=20)
    splits = make_splits(Split(images[:225], labels[:225]), Split(images[225:], labels[225:]), recipe)
    write_splits(splits, recipe, folder)
    return folder


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a training that nothing interrupted, in one process."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    train(SETTINGS, read_inputs(data), Output(folder, 2, print), World())
    return folder


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "OMP_NUM_THREADS": "1", **more}


def launch(arguments: list[str], processes: int = 1, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Python, or torchrun, with the arguments to its end."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(torchrun if processes > 1 else []), *arguments]
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=240)


def train_arguments(data: Path, out: Path) -> list[str]:
    return ["--data", str(data), "--out", str(out), "--checkpoint-steps", "2", *OPTIONS]


def killed(point: str, data: Path, folder: Path, processes: int = 1) -> subprocess.CompletedProcess[str]:
    """Start a training that is killed at a point; its output is folder/out, its gradients are in folder/notes."""
    script, notes = folder / "killed.py", folder / "notes"
    script.write_text(KILLED)
    notes.mkdir()
    return launch([str(script), point, str(notes), *train_arguments(data, folder / "out")], processes)


def weights(folder: Path) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in checkpoint.load(folder).model.state_dict().values()])


def test_a_training_learns_and_writes_what_export_needs(data: Path, whole: Path) -> None:
    loaded, validation = checkpoint.load(whole), load_split(data, "validation")
    frames = torch.from_numpy(validation.images).unsqueeze(-1).expand(-1, -1, -1, 3)
    right = (loaded.model(frames).argmax(dim=1).numpy() == validation.labels).mean()
    metrics = json.loads((whole / "metrics.json").read_text())
    assert metrics["validation_accuracy"] == pytest.approx(right)
    assert metrics["epochs"][-1]["loss"] < metrics["epochs"][0]["loss"]
    assert (loaded.meta.labels, loaded.meta.epochs, loaded.meta.width) == (LABELS, 3, 8)


@pytest.mark.parametrize("point", ["in-an-epoch", "after-checkpoint", "while-writing"])
def test_a_killed_training_goes_on_to_the_very_bytes_of_an_uninterrupted_one(
    data: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], point: str
) -> None:
    assert killed(point, data, tmp_path).returncode == -signal.SIGKILL
    assert not (tmp_path / "out" / "model.json").exists()
    assert main(train_arguments(data, tmp_path / "out")) == 0
    assert "goes on from step" in capsys.readouterr().out
    assert checkpoint.load(tmp_path / "out").digest == checkpoint.load(whole).digest


@pytest.fixture(scope="module")
def two(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two processes trained, were killed, and trained on to the end."""
    folder = tmp_path_factory.mktemp("two")
    assert killed("in-an-epoch", data, folder, processes=2).returncode != 0
    result = launch(["-m", "vision.train", *train_arguments(data, folder / "out")], processes=2)
    assert result.returncode == 0, result.stderr
    (folder / "log").write_text(result.stdout)
    return folder


def gradients_alone(data: Path, steps: int) -> list[torch.Tensor]:
    learner = Learner(SETTINGS, load_split(data, "train"), World())
    found = []
    for step in range(steps):
        learner.take_step(step)
        found.append(
            torch.cat([weights.grad.flatten() for weights in learner.model.parameters() if weights.grad is not None])
        )
    return found


def test_two_processes_give_the_gradient_that_one_gives_with_the_same_global_batch(data: Path, two: Path) -> None:
    plan = Plan(len(load_split(data, "train")), SETTINGS.batch_size, SETTINGS.epochs, SETTINGS.seed)
    assert (len(plan.batch(0)), len(plan.batch(4))) == (49, 1), "uneven parts, and a last batch that leaves one empty"
    for step, alone in enumerate(gradients_alone(data, steps=plan.steps_per_epoch + 1)):
        for rank in (0, 1):
            shared = torch.load(two / "notes" / f"{step}.{rank}.pt")
            torch.testing.assert_close(shared, alone, atol=1e-5, rtol=1e-4, msg=f"step {step}, process {rank}")


def test_two_processes_killed_and_resumed_reach_what_one_reaches_undisturbed(two: Path, whole: Path) -> None:
    assert "goes on from step 8 of 15" in (two / "log").read_text()
    torch.testing.assert_close(weights(two / "out"), weights(whole), atol=1e-3, rtol=1e-3)


def start_nodes(arguments: list[str]) -> list[subprocess.CompletedProcess[str]]:
    """Run two nodes of a process each to their end, with the variables that Azure ML sets and no launcher."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
    nodes = [
        subprocess.Popen(
            [sys.executable, *arguments],
            env=environment(**shared, RANK=rank, NODE_RANK=rank),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    ended = [(node, *node.communicate(timeout=240)) for node in nodes]
    return [subprocess.CompletedProcess(node.args, node.returncode, out, error) for node, out, error in ended]


def test_azure_mls_nodes_that_are_taken_away_go_on_over_the_same_output(
    data: Path, whole: Path, tmp_path: Path
) -> None:
    script, notes = tmp_path / "killed.py", tmp_path / "notes"
    script.write_text(KILLED)
    notes.mkdir()
    taken = start_nodes([str(script), "in-an-epoch", str(notes), *train_arguments(data, tmp_path / "out")])
    assert [node.returncode != 0 for node in taken] == [True, True]
    first, second = start_nodes(["-m", "vision.train", *train_arguments(data, tmp_path / "out")])
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "goes on from step 8 of 15" in first.stdout and second.stdout == ""
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["processes"] == 2
    torch.testing.assert_close(weights(tmp_path / "out"), weights(whole), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("absent", ["RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_a_variable_that_is_not_set_among_several_processes_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], absent: str
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(absent)
    assert main(train_arguments(data, tmp_path / "out")) == 1
    assert f"environment variable {absent}: is absent though WORLD_SIZE is 2" in capsys.readouterr().err


def test_progress_is_told_once_with_percent_loss_and_speed(two: Path) -> None:
    lines = (two / "log").read_text().splitlines()
    assert sum(line.startswith("epoch 3/3 done") for line in lines) == 1
    assert any(line.startswith("epoch 3/3  40 %  loss ") and line.endswith("images/s") for line in lines)


def test_a_training_with_other_settings_is_refused_and_changes_nothing(
    data: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = checkpoint.load(whole).digest
    assert main([*train_arguments(data, whole), "--epochs", "4"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "resume.pt: was written with epochs 3, this run has 4: give another --out" in error
    assert checkpoint.load(whole).digest == before


def test_a_loss_that_is_no_number_ends_the_training_without_a_model(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*train_arguments(data, tmp_path / "out"), "--learning-rate", "1e9"]) == 1
    assert "the loss is nan: lower --learning-rate" in capsys.readouterr().err
    assert not (tmp_path / "out" / "model.json").exists()


def test_metrics_go_to_the_mlflow_server_that_the_environment_names(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert main(train_arguments(data, tmp_path / "out")) == 0
    run: Any = mlflow.search_runs(output_format="list")[0]
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "validation_accuracy")
    assert (run.info.status, run.data.params["width"]) == ("FINISHED", "8")
    assert [point.step for point in history] == [1, 2, 3]
