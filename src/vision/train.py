"""Trains a network on the prepared splits, and goes on from its last checkpoint after a kill.

    python -m vision.train --data DIR --out DIR --network cnn --width 32 --epochs 3 --batch-size 128 --seed 7

Runs alone, under torchrun, and under Azure ML (`distribution: pytorch`) as it stands. Writes model.pt and model.json
(vision.checkpoint), metrics.json, and resume.pt, from which the same command goes on. It never looks at the test set.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from modelpackage import digest_json
from vision import checkpoint
from vision.checkpoint import ModelMeta
from vision.data import LABELS, Split, load_split
from vision.distributed import World, join_world
from vision.errors import VisionError, exit_code
from vision.files import read_json, write_json
from vision.learner import Learner, Settings
from vision.network import NETWORKS
from vision.prepare import SPLIT_FILE
from vision.resume import load_state, save_state
from vision.tracking import Log, track

METRICS_FILE = "metrics.json"
LINES_PER_EPOCH = 10

Report = Callable[[str], None]


@dataclass
class Progress:
    """How far a training is: the next step, the loss summed over this epoch's images so far, the epochs behind it."""

    step: int = 0
    loss_sum: float = 0.0
    epochs: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Inputs:
    """What a training reads: the two splits, and the digest of what vision.prepare wrote."""

    train: Split
    validation: Split
    digest: str


@dataclass(frozen=True)
class Output:
    """Where a training writes, after how many steps besides each epoch's end it can be resumed, and its voice."""

    folder: Path
    checkpoint_steps: int | None
    report: Report


def read_inputs(data: Path) -> Inputs:
    """Read what vision.prepare wrote. Raises VisionError, naming the file, where that can't be done."""
    split = read_json(data / SPLIT_FILE, "run vision.prepare first")
    if not isinstance(split, dict) or "digests" not in split:
        raise VisionError(f"{data / SPLIT_FILE}: digests is missing: run vision.prepare again")
    return Inputs(load_split(data, "train"), load_split(data, "validation"), digest_json(split["digests"]))


def train(settings: Settings, inputs: Inputs, output: Output, world: World) -> None:
    """Train to the end, from the last checkpoint where there is one, and write the model.

    Raises VisionError where the checkpoint belongs to another training, or the loss is no longer a number.
    """
    learner = Learner(settings, inputs.train, world)
    run = Run(learner, inputs, output)
    progress = run.resume()
    output.report(_introduction(learner))
    if progress.step < learner.plan.steps:
        with track(asdict(settings) | {"processes": world.size}, world, output.report) as log:
            run.run_to_the_end(progress, log)
    if world.is_first:
        _write_model(learner, progress, inputs, output.folder)


@dataclass(frozen=True)
class Run:
    """One training in one process: what learns, from what, into where."""

    learner: Learner
    inputs: Inputs
    output: Output

    @property
    def identity(self) -> dict[str, Any]:
        """Return what a checkpoint must agree with: the model depends on it."""
        return asdict(self.learner.settings) | {"data": self.inputs.digest}

    def resume(self) -> Progress:
        """Go back to the last checkpoint, or start."""
        state = load_state(self.output.folder, self.identity, self.learner.world)
        if state is None:
            return Progress()
        self.learner.restore(state["learner"])
        progress = Progress(**state["progress"])
        self.output.report(f"train: goes on from step {progress.step} of {self.learner.plan.steps}")
        return progress

    def run_to_the_end(self, progress: Progress, log: Log) -> None:
        """Train epoch after epoch, and log the metrics of each."""
        while progress.step < self.learner.plan.steps:
            self.run_epoch(progress)
            log(progress.epochs[-1], len(progress.epochs))

    def run_epoch(self, progress: Progress) -> None:
        """Take the steps up to the epoch's end, validate, checkpoint."""
        plan, started, images = self.learner.plan, time.monotonic(), 0
        for index in range(progress.step % plan.steps_per_epoch, plan.steps_per_epoch - 1):
            images += self.learner.take_step(progress.step)
            progress.step += 1
            if _is_tenth(index + 1, plan.steps_per_epoch):
                self._report(progress, images / (time.monotonic() - started))
            if self.output.checkpoint_steps and progress.step % self.output.checkpoint_steps == 0:
                self.checkpoint(progress)
        images += self.learner.take_step(progress.step)
        self._end_epoch(progress, images / (time.monotonic() - started))

    def checkpoint(self, progress: Progress) -> None:
        """Make the training resumable from here. All processes must call it."""
        progress.loss_sum += self.learner.take_loss()
        if self.learner.world.is_first:
            state = {"learner": self.learner.state(), "progress": asdict(progress)}
            save_state(self.output.folder, state, self.identity)

    def _report(self, progress: Progress, images_per_second: float) -> None:
        plan = self.learner.plan
        epoch, index = divmod(progress.step, plan.steps_per_epoch)
        progress.loss_sum += self.learner.take_loss()
        loss = progress.loss_sum / (index * plan.batch_size)
        place = f"epoch {epoch + 1}/{plan.epochs} {round(100 * index / plan.steps_per_epoch):3d} %"
        self.output.report(f"{place}  loss {loss:.4f}  {images_per_second:.0f} images/s")

    def _end_epoch(self, progress: Progress, images_per_second: float) -> None:
        progress.step += 1
        plan, epoch = self.learner.plan, progress.step // self.learner.plan.steps_per_epoch
        loss = (progress.loss_sum + self.learner.take_loss()) / plan.images
        if not math.isfinite(loss):
            raise VisionError(f"epoch {epoch}: the loss is {loss}: lower --learning-rate (give another --out)")
        accuracy = self.learner.accuracy(self.inputs.validation)
        metrics = {"loss": loss, "validation_accuracy": accuracy, "images_per_second": images_per_second}
        progress.epochs.append(metrics)
        progress.loss_sum = 0.0
        self.checkpoint(progress)
        summary = f"loss {loss:.4f}  validation accuracy {accuracy:.4f}  {images_per_second:.0f} images/s"
        self.output.report(f"epoch {epoch}/{plan.epochs} done  {summary}")


def _is_tenth(index: int, steps: int) -> bool:
    return index * LINES_PER_EPOCH // steps != (index - 1) * LINES_PER_EPOCH // steps


def _introduction(learner: Learner) -> str:
    settings, world = learner.settings, learner.world
    weights = sum(parameter.numel() for parameter in learner.model.parameters())
    network = f"{settings.network} of width {settings.width} with {weights} weights"
    processes = f"{world.size} process{'es' if world.size > 1 else ''} on {world.device.type}"
    return f"train: {network}, {learner.plan.images} images, {settings.epochs} epochs, {processes}"


def _write_model(learner: Learner, progress: Progress, inputs: Inputs, folder: Path) -> None:
    settings, preprocess = learner.settings, learner.model.preprocess
    meta = ModelMeta(
        network=settings.network,
        width=settings.width,
        labels=LABELS,
        mean=preprocess.mean,
        std=preprocess.std,
        epochs=settings.epochs,
        seed=settings.seed,
        data_split_digest=inputs.digest,
    )
    checkpoint.save(folder, learner.model, meta)
    last = progress.epochs[-1]
    metrics = {
        "schema": 1,
        "validation_accuracy": last["validation_accuracy"],
        "loss": last["loss"],
        "train_images": learner.plan.images,
        "processes": learner.world.size,
        "epochs": progress.epochs,
    }
    write_json(folder / METRICS_FILE, metrics)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vision.train", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that vision.prepare wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model; keep it to resume")
    parser.add_argument("--network", choices=tuple(NETWORKS), default="cnn", help="default: %(default)s")
    parser.add_argument("--width", type=_positive, default=32, help="of the network (default: %(default)s)")
    parser.add_argument("--epochs", type=_positive, default=3, help="default: %(default)s")
    parser.add_argument("--batch-size", type=_positive, default=128, help="over all processes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of weights and order (default: %(default)s)")
    parser.add_argument(
        "--learning-rate", type=float, default=Settings.learning_rate, help="peak (default: %(default)s)"
    )
    parser.add_argument("--weight-decay", type=float, default=Settings.weight_decay, help="default: %(default)s")
    parser.add_argument("--label-smoothing", type=float, default=Settings.label_smoothing, help="default: %(default)s")
    parser.add_argument("--gradient-norm", type=float, default=Settings.gradient_norm, help="default: %(default)s")
    parser.add_argument(
        "--checkpoint-steps", type=_positive, help="resumable after so many steps (default: each epoch)"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"should be a whole number above 0, is '{text}'")
    return int(text)


def _say(line: str) -> None:
    print(line, flush=True)


def _quiet(line: str) -> None:
    """Say nothing: the first process speaks for all."""


def _train(data: Path, out: Path, checkpoint_steps: int | None, settings: Settings) -> None:
    inputs = read_inputs(data)
    with join_world() as world:
        train(settings, inputs, Output(out, checkpoint_steps, _say if world.is_first else _quiet), world)


def main(arguments: list[str] | None = None) -> int:
    """Train and return the exit code: 0, or 1 after one line on stderr."""
    options = vars(_parser().parse_args(arguments))
    places = {name: options.pop(name) for name in ("data", "out", "checkpoint_steps")}
    return exit_code(lambda: _train(**places, settings=Settings(**options)))


def leave(code: int) -> None:
    """End the process without taking the interpreter apart, once all that was said is written.

    Gloo's threads may still hold tensors then, and an interpreter that is taken apart under them aborts now and then,
    after the training is done (pytorch/pytorch pull request 179291).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
