"""What a pod is given, one file that declares one version, is all that the endpoint and the streams need to start."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from model_packages import MODEL, declared, make_package
from running_endpoint import picture, run_serving, running_endpoint, wait_for
from stream_clips import RED, make_clip


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Return the file, whose package lies beside it."""
    deployment = declared(make_package(tmp_path / "package"))
    model = {"deployments": {"7": deployment}, "traffic": {"7": 100}}
    file = tmp_path / "given.json"
    file.write_text(json.dumps({"generation": 1, "models": {MODEL: model}}), encoding="utf-8")
    return file


def test_an_endpoint_is_ready_by_a_declared_file_alone(tmp_path: Path, given: Path) -> None:
    with running_endpoint(tmp_path / "state", "--declare", given) as endpoint:
        wait_for(lambda: endpoint.client.get(f"/v2/models/{MODEL}/versions/7/ready").status_code == 200)
        answer = endpoint.client.post("/score", content=picture((220, 10, 10)))
        assert (answer.status_code, answer.json()["label"]) == (200, "red")
        assert endpoint.client.get(f"/v2/models/{MODEL}/versions/8/ready").status_code == 404


def test_an_endpoint_whose_package_is_another_one_is_never_ready(tmp_path: Path, given: Path) -> None:
    make_package(tmp_path / "package", version_bias=1.0)
    with running_endpoint(tmp_path / "state", "--declare", given) as endpoint:
        failed = wait_for(lambda: endpoint.report().get("deployments", {}).get("7", {}).get("state") == "failed")
        ready = endpoint.client.get(f"/v2/models/{MODEL}/versions/7/ready")
        assert (failed, ready.status_code, endpoint.client.get("/v2/health/live").status_code) == (True, 503, 200)


def test_streams_are_scored_by_the_declared_model(tmp_path: Path, given: Path) -> None:
    make_clip(tmp_path / "clip.mp4", [np.full((96, 160, 3), RED, np.uint8)] * 5)
    config = tmp_path / "streams.yaml"
    clip = {"name": "clip", "source": str(tmp_path / "clip.mp4"), "pace": "none"}
    sink = {"kind": "jsonl", "path": str(tmp_path / "results.jsonl")}
    config.write_text(yaml.safe_dump({"out": str(tmp_path / "out"), "streams": [clip], "sinks": [sink]}))
    done = run_serving("stream", "--config", config, "--declare", given)
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines())
    assert {line["label"] for line in lines if line["kind"] == "result"} == {"red"}
