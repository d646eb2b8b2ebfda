"""What is worth telling people, and what is not: each rule with the good case beside the bad one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from mlops.errors import ConfigError, TargetError
from mlops.monitoring import Summary, drifted, finding, gone, issue_of, judge_errors, key_of, rotten, unwell
from mlops.ports import CheckLine
from mlops.records import RuleResult
from mlops.summaries import read_summaries, shown
from serving.streams.drift import Drift
from serving.streams.result import to_line

NOW = 1_000_000.0
HOUR = 3600.0


def summary(psi: float, hours_ago: float = 0.5, stream: str = "gate-1", **more: float) -> Summary:
    return Summary(stream, NOW - hours_ago * HOUR, 60, {"brightness": psi, **more})


def of_drift(*summaries: Summary) -> dict[str, tuple[str, ...]]:
    return {one.key: one.details for one in drifted("dev", summaries, 24.0, NOW, 0.2)}


def test_a_stream_whose_windows_are_far_off_drifts() -> None:
    found = of_drift(*[summary(0.4, classes=0.1)] * 3, summary(0.05, stream="gate-2"))
    assert found == {
        "visionline/dev/drift/gate-1": ("brightness: PSI 0.40 (limit 0.2), over 180 frames in 3 summaries",)
    }


def test_one_odd_minute_is_no_drift() -> None:
    assert of_drift(summary(5.0), summary(0.1), summary(0.1)) == {}


def test_what_is_no_number_counts_as_drift() -> None:
    assert "PSI inf" in of_drift(summary(float("nan")))["visionline/dev/drift/gate-1"][0]


def test_what_is_older_than_the_time_looked_back_is_not_counted() -> None:
    assert of_drift(summary(5.0, hours_ago=30), summary(0.1)) == {}


@pytest.mark.parametrize("summaries, words", [((), "none ever did"), ((summary(0.1, hours_ago=30),), "30 hours ago")])
def test_streams_that_send_nothing_are_a_finding(summaries: tuple[Summary, ...], words: str) -> None:
    (details,) = of_drift(*summaries).values()
    assert words in details[0]


def test_each_failing_check_of_preflight_is_one_cause_and_warnings_only_of_what_ends() -> None:
    lines = [
        CheckLine("quota", "failure", "no cores"),
        CheckLine("quota", "failure", "no nodes"),
        CheckLine("approvals", "warning", "asks nobody"),
        CheckLine("retirement", "warning", "ends soon"),
        CheckLine("python", "ok", "3.11"),
    ]
    found = {one.key: one.details for one in rotten("qa", lines)}
    assert found == {
        "visionline/qa/preflight/quota": ("no cores", "no nodes"),
        "visionline/qa/preflight/retirement": ("ends soon",),
    }


@pytest.mark.parametrize("check", ["packages", "disk", "roles: train", "roles: registry"])
def test_what_preflight_says_of_who_looks_is_no_news_of_the_stage(check: str) -> None:
    assert rotten("qa", [CheckLine(check, "failure", "not installed")]) == []
    assert len(rotten("qa", [CheckLine("roles: jobs", "failure", "the cluster's identity has no role")])) == 1


@pytest.mark.parametrize("outcome", ["reject", "error"])
def test_a_rule_of_the_endpoint_that_does_not_hold_is_a_finding(outcome: str) -> None:
    rules = [RuleResult("golden", "promote", "equal"), RuleResult("live", outcome, "3 of 4 failed")]
    assert [(one.key, one.details) for one in unwell("dev", rules)] == [
        ("visionline/dev/health/live", ("3 of 4 failed",))
    ]


@pytest.mark.parametrize("requests, errors, outcome", [(0, 0, "promote"), (1000, 10, "promote"), (1000, 11, "reject")])
def test_the_share_of_failed_requests_has_a_limit(requests: int, errors: int, outcome: str) -> None:
    assert judge_errors(requests, errors, 0.01).outcome == outcome


def test_a_key_is_a_word_of_its_cause_alone() -> None:
    assert key_of("dev", "drift", "gate-1") == "visionline/dev/drift/gate-1"
    odd = [key_of("dev", "drift", name) for name in ("Gate 1", "gate-1,", "gate;1", "gate 1", "x" * 300, "x" * 301)]
    assert len(set(odd)) == len(odd) and all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789/._-") for key in odd)
    assert max(map(len, odd)) < 100


def test_only_what_was_looked_at_whole_can_be_gone() -> None:
    opened = [f"visionline/{rest}" for rest in ("dev/drift/a", "dev/health/b", "qa/drift/a", "dev/drift/c")]
    still = [finding("dev", "drift", "c", "t", ())]
    assert gone(opened, "dev", ["drift"], still) == ["visionline/dev/drift/a"]


def test_an_issue_mentions_and_formats_nothing_that_a_camera_is_called() -> None:
    told = issue_of(finding("dev", "drift", "cam", "a\nb " + "x" * 200, ("@team\n# head",)), "run 3")
    assert "\n    @team # head\n" in f"\n{told.body}\n" and len(told.title) == 140 and "\n" not in told.title


def test_a_finding_commands_no_agent() -> None:
    found = finding("dev", "drift", "cam", "stream ##vso[task.complete]", ("##[add-path]x\ny",))
    assert found.title == "dev: stream # #vso[task.complete]" and found.details == ("# #[add-path]x y",)


def test_the_summaries_of_streams_are_read_between_results_and_events(tmp_path: Path) -> None:
    drift = Drift({"confidence": {"quantiles": {"50": 0.5}, "shares": [0.5, 0.5], "mean": 0.5, "std": 0.1}}, ["a", "b"])
    for _ in range(40):
        drift.update("gate-1", np.zeros((32, 32, 3), np.uint8), np.array([9.0, 0.0], np.float32))
    (sent,) = drift.summary()
    path = tmp_path / "results.jsonl"
    noise = b'{"kind":"result","stream":"drift"}\n{"kind":"drift"}\n[1,"drift"]\n{"kind":"drift","str'
    path.write_bytes(to_line(sent) + noise)
    (read,) = read_summaries(str(path))
    assert (read.stream, read.time, read.frames) == ("gate-1", sent["time"], 40)
    assert read.psi == {"confidence": sent["confidence_psi"]} and read.psi["confidence"] > 0.2


class Place(BaseHTTPRequestHandler):
    """Gives one summary to who knows the signature."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path.endswith("sig=secret") else 403)
        self.end_headers()
        line = {"kind": "drift", "stream": "s", "time": 1, "frames": 30, "classes_psi": 0.3}
        self.wfile.write(json.dumps(line).encode())

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Place)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/drift.jsonl"
    server.shutdown()
    server.server_close()


def test_summaries_are_read_from_an_address(address: str) -> None:
    assert read_summaries(f"{address}?sig=secret") == [Summary("s", 1.0, 30, {"classes": 0.3})]


def test_an_address_that_refuses_is_said_without_its_signature(address: str) -> None:
    with pytest.raises(TargetError, match="403") as refused:
        read_summaries(f"{address}?sig=wrong")
    assert "sig" not in str(refused.value) and "drift.jsonl" in str(refused.value)


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_summaries(str(tmp_path / "no.jsonl"))
    with pytest.raises(ConfigError, match="should begin with https://") as refused:
        read_summaries("http://user:word@example.org/x?sig=secret")
    assert "secret" not in str(refused.value) and "word" not in str(refused.value)
    assert shown("https://me:word@example.org:8443/x?sig=secret") == "https://example.org:8443/x"
