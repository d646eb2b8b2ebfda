"""What scorers share: the order of results, the cores, the measured curves."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_packages import make_package
from modelpackage import package_digest
from running_endpoint import wait_for
from serving.curve import BatchCurve
from serving.model import load_model
from serving.streams.capacity import BATCH_SECONDS, Capacity, bounded_cap
from serving.streams.gate import Gate
from serving.streams.scorer import Turnstile


def test_results_go_out_in_the_order_of_their_batches() -> None:
    delivered: list[Any] = []
    turnstile = Turnstile(delivered.append)
    for number in (2, 0, 3, 1, 4):
        turnstile.bring(number, None if number == 3 else f"batch {number}")  # type: ignore[arg-type]
    assert delivered == ["batch 0", "batch 1", "batch 2", "batch 4"]


def test_a_batch_takes_no_longer_than_half_a_frame_interval_unless_one_frame_does() -> None:
    quick = BatchCurve({1: 0.001, 2: 0.0015, 4: 0.002}, 4)
    slower = BatchCurve({1: 0.6 * BATCH_SECONDS, 2: 0.9 * BATCH_SECONDS, 4: 1.4 * BATCH_SECONDS}, 4)
    slow = BatchCurve({1: 3 * BATCH_SECONDS, 2: 4 * BATCH_SECONDS}, 2)
    assert [bounded_cap(curve) for curve in (quick, slower, slow)] == [4, 2, 1]


def test_capacity_is_of_the_cores_and_of_all_that_a_frame_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package(tmp_path / "package")
    capacity = Capacity(load_model(package, package_digest(package), "fp32").run, scorers=2)
    monkeypatch.setattr("serving.streams.capacity.measure", lambda *_: BatchCurve({1: 0.003}, 1))
    assert capacity.frames_per_second([(8, 8)], 0.0) is None and capacity.cap((8, 8)) == 1
    capacity.learn((8, 8))
    assert capacity.frames_per_second([(8, 8), (9, 9)], 0.001) == pytest.approx(500)


def test_a_large_frame_is_measured_in_small_batches(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package")
    model = load_model(package, package_digest(package), "fp32")
    largest: list[int] = []

    def watch(frames: np.ndarray) -> Any:
        largest.append(frames.nbytes)
        return model.run(frames)

    Capacity(watch, 1).learn((1080, 1920))
    assert max(largest) <= 32 * 2**20


def test_decoders_leave_the_cores_to_scorers_but_one() -> None:
    gate, inside, most, leave = Gate(2), 0, 0, threading.Event()
    lock = threading.Lock()

    def decode() -> None:
        nonlocal inside, most
        with gate.decoding():
            with lock:
                inside, most = inside + 1, max(most, inside + 1)
            leave.wait()
            with lock:
                inside -= 1

    threads = [threading.Thread(target=decode) for _ in range(5)]
    with gate.scoring(), gate.scoring():
        for thread in threads:
            thread.start()
        wait_for(lambda: inside == 1)
        assert most == 1
    wait_for(lambda: inside == 2)
    leave.set()
    for thread in threads:
        thread.join()
    assert most == 2
