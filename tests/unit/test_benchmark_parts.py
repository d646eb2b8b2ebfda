"""The benchmark's parts on their own: requests, models, processes, results of wrk, the open loop and the clip."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import onnxruntime
import pytest

from benchmarks.serving.bare import loop
from benchmarks.serving.clip import draw, lengthen
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import Message, Payload, plain, visionline
from benchmarks.serving.networks import mobilenet_v2, tiny
from benchmarks.serving.openloop import Tally, length_of, run, summary
from benchmarks.serving.packages import packages
from benchmarks.serving.peers.scorer import Scorer, open_session
from benchmarks.serving.pictures import jpeg_picture, raw_frame, textured
from benchmarks.serving.processes import alive, cpu_seconds, memory_of, pause, resume, start, stop, tree, wait_until
from benchmarks.serving.responder import Responder
from benchmarks.serving.streams import read_results
from benchmarks.serving.wrk import parse_result, write_script
from modelpackage import open_package

SLEEPER = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    """Return the tiny model."""
    session = onnxruntime.InferenceSession(tiny(10), providers=["CPUExecutionProvider"])
    return Scorer(session, tuple(f"class-{index}" for index in range(10)), 28)


def test_a_raw_frame_and_a_jpeg_file_are_told_apart_and_scored(scorer: Scorer) -> None:
    assert scorer.frames(raw_frame(28)).shape == (1, 28, 28, 3)
    assert scorer.frames(jpeg_picture()).shape == (1, 480, 640, 3)
    answer = json.loads(scorer.answer(jpeg_picture()))
    assert answer["label"] in scorer.labels and 0 < answer["score"] <= 1


def test_pictures_differ_by_seed_and_are_the_same_for_one() -> None:
    assert (textured(8, 8, 1) == textured(8, 8, 1)).all()
    assert (textured(8, 8, 1) != textured(8, 8, 2)).any()


def test_mobilenet_v2_is_of_its_size_and_answers_finite_logits() -> None:
    model = mobilenet_v2(1000)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"frames": textured(96, 128, 0)[None]})
    assert 13.5e6 < len(model) < 14.5e6  # 3.5 million weights
    assert logits.shape == (1, 1000) and np.isfinite(logits).all() and logits.std() > 0


def test_packages_are_sealed_with_each_variant_and_made_once(tmp_path: Path) -> None:
    first = packages(tmp_path)
    assert set(open_package(first["mobilenetv2"].folder, first["mobilenetv2"].digest).variants) == {"fp32", "int8"}
    assert packages(tmp_path) == first
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_our_raw_request_is_a_header_and_the_bytes_of_the_tensor() -> None:
    message = visionline(Payload("raw", raw_frame(28), 28), "tiny")
    length = int(message.headers["Inference-Header-Content-Length"])
    header = json.loads(message.body[:length])
    assert message.path == "/v2/models/tiny/infer" and message.body[length:] == raw_frame(28)
    assert header["inputs"][0]["shape"] == [1, 28, 28, 3]
    assert header["inputs"][0]["parameters"]["binary_data_size"] == 28 * 28 * 3


def test_a_request_names_the_length_of_its_body() -> None:
    written = plain(Payload("jpeg", b"12345", 0), "tiny").bytes("host:1")
    assert written.startswith(b"POST /score HTTP/1.1\r\nHost: host:1\r\n") and written.endswith(b"5\r\n\r\n12345")


def test_wrk_gets_the_body_as_a_file_and_the_headers_quoted(tmp_path: Path) -> None:
    script = write_script(Message("/a", b"\x00\xff", {"X": 'say "yes"'}), tmp_path).read_text(encoding="utf-8")
    assert 'wrk.headers["X"] = "say \\"yes\\""' in script
    assert (tmp_path / "body.bin").read_bytes() == b"\x00\xff"


def test_what_wrk_reports_is_read_and_failures_do_not_count_as_answers() -> None:
    line = 'RESULT {"requests": 100, "seconds": 2.0, "failures": 20, "p50_ms": 1.5, "p99_ms": 3.5}'
    found = parse_result(subprocess.CompletedProcess([], 0, f"Running\n{line}\n", ""), 0.5)
    assert (found.rate, found.p99_ms, found.cpu_seconds) == (40.0, 3.5, 0.5)


@pytest.mark.parametrize(
    "output", ["", 'RESULT {"requests": 0, "seconds": 1, "failures": 0, "p50_ms": 0, "p99_ms": 0}']
)
def test_wrk_without_answers_is_an_error(output: str) -> None:
    with pytest.raises(BenchmarkError):
        parse_result(subprocess.CompletedProcess([], 0, output, "connection refused"), 0.5)


def test_bare_counts_images_and_its_own_processor_time(scorer: Scorer) -> None:
    done = loop(scorer, raw_frame(28), 0.05)
    assert done["images"] > 0 and done["cpu_seconds"] > 0


def test_a_tree_is_measured_paused_and_ended_with_its_children(tmp_path: Path) -> None:
    process = start([sys.executable, "-c", SLEEPER], {"PATH": ""}, tmp_path / "log")
    try:
        wait_until(lambda: len(tree(process.pid)) == 2, process, tmp_path / "log", 30)
        pause(process.pid)
        wait_until(lambda: _states(process.pid) == {"T"}, process, tmp_path / "log", 30)
        resume(process.pid)
        wait_until(lambda: "T" not in _states(process.pid), process, tmp_path / "log", 30)
        assert cpu_seconds(process.pid) > 0 and memory_of(process.pid) > 0
        members = tree(process.pid)
    finally:
        stop(process)
    assert alive(members) == []


def test_a_server_that_ends_before_it_answers_is_told_with_its_last_words(tmp_path: Path) -> None:
    process = start([sys.executable, "-c", "raise SystemExit('no model')"], {}, tmp_path / "log")
    with pytest.raises(BenchmarkError, match="ended with 1 before it answered: no model"):
        wait_until(lambda: False, process, tmp_path / "log", 30)


def test_the_open_loop_counts_what_is_answered() -> None:
    request = plain(Payload("raw", b"x" * 10, 0), "tiny").bytes("localhost")
    tally = asyncio.run(_answered(request))
    counted = summary(tally, 0.2)
    assert tally.ends["accepted"] == counted["sent"] > 0 and counted["p99_ms"] > 0


def test_the_open_loop_counts_refusals_and_what_comes_after_the_end() -> None:
    tally = Tally(end=10.0)
    tally.count(200, 0.1, now=9.0)
    tally.count(200, 0.1, now=11.0)
    tally.count(503, 0.1, now=9.0)
    tally.count(500, 0.1, now=9.0)
    assert (tally.in_time, dict(tally.ends)) == (1, {"accepted": 2, "refused": 1, "status 500": 1})


def test_the_open_loop_survives_a_server_that_is_not_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        tally = asyncio.run(run(unused.getsockname()[1], b"", 100, 0.1))
    assert set(tally.ends) == {"no connection"}


def test_the_length_of_an_answer_is_read_in_any_case_of_letters() -> None:
    assert length_of(b"HTTP/1.1 200 OK\r\nContent-LENGTH: 12") == 12
    assert length_of(b"HTTP/1.1 204 No Content") == 0


def test_a_clip_is_lengthened_without_a_frame_lost(tmp_path: Path) -> None:
    draw(tmp_path / "clip.mp4", 12)
    with av.open(str(lengthen(tmp_path / "clip.mp4", tmp_path, 3))) as longer:
        times = [frame.pts for frame in longer.decode(video=0)]
    assert len(times) == len(set(times)) == 36


def test_results_of_streams_give_the_frames_a_second(tmp_path: Path) -> None:
    lines = [{"kind": "event"}, *({"kind": "result", "captured": 0.1 * n, "age_ms": 20.0} for n in range(11))]
    (tmp_path / "results.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert read_results(tmp_path / "results.jsonl", 1.0).rate() == pytest.approx(10.0)


def test_streams_that_scored_nothing_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="holds 0 results"):
        read_results(tmp_path / "results.jsonl", 1.0)


def test_a_session_runs_on_one_thread(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(tiny(10))
    assert open_session(tmp_path / "model.onnx").get_session_options().intra_op_num_threads == 1


async def _answered(request: bytes) -> Tally:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Responder(10), "127.0.0.1", 0)
    async with server:
        return await run(server.sockets[0].getsockname()[1], request, 100, 0.2)


def _states(head: int) -> set[str]:
    texts = (Path(f"/proc/{pid}/stat").read_text(encoding="utf-8") for pid in tree(head))
    return {text.rpartition(")")[2].split()[0] for text in texts}
