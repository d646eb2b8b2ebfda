"""Each step that talks to Azure, as a process: what it asks for, in which order and with which bodies.

The steps are played once, in the order of a model's life, in three workspaces and a shared registry; what each of them
asked is compared with tests/azurefake/golden/STEP.json. Intake asks what `register` does.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azurefake import quota
from azurefake.certificates import Authority
from azurefake.computes import PRINCIPAL
from azurefake.fixture import OTHERS, complaints, forget_clients, running_azure
from azurefake.registries import add_registry
from azurefake.stages import write_stages
from azurefake.state import Azure
from azurefake.workspaces import add_workspace
from code_hosts import GitHubHost
from image_batches import publish_batch
from model_packages import MODEL, make_package
from step_process import run_step
import step_requests
from step_requests import GOLDEN, WRITE, difference, first_difference, plain, summary
from trainings import trained

from mlops.adapters.azureml import registry
from mlops.config import REPOSITORY, load_stage
from mlops.context import Context, run_folder
from mlops.origin import encoded
from mlops.preflight.permissions import SECRET_READERS
from mlops.records import Origin

FILES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
RETRAINING = {"cron": "0 3 * * 1", "time_zone": "UTC", "on_new_data": True}
QUICK = {"verify": {"requests": 2, "bake_seconds": 0, "max_latency_ratio": 1e6}}
WS = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/" + (
    "Microsoft.MachineLearningServices/workspaces/ws"
)
STEPS = (
    "preflight",
    "data",
    "train",
    "register",
    "notify",
    "champion",
    "promote-qa",
    "deploy-online",
    "verify",
    "deploy-canary",
    "rollback",
    "promote-production",
    "deploy-batch",
    "score",
    "schedule",
    "schedule-pause",
    "status",
)


@dataclass
class World:
    """The fake, a checkout whose data set is small, GitHub, and what each step that was played asked for."""

    azure: Azure
    root: Path
    github: GitHubHost
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    @property
    def checkout(self) -> Path:
        """Return the folder of the code that runs."""
        return self.root / "checkout"

    def play(self, name: str, *words: str, fresh: bool = False, **variables: str) -> None:
        """Run a step to its end, and keep what it asked for. A variable without a value is taken away."""
        self.azure.requests.clear()
        self.github.calls.clear()
        path = {"PYTHONPATH": f"{self.checkout}:{self.checkout / 'src'}"}
        environment = {key: value for key, value in {**os.environ, **path, **variables}.items() if value}
        done: subprocess.CompletedProcess[str] = run_step(*words, env=environment, cwd=self.checkout, fresh=fresh)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        places = {str(self.root): "<root>"}
        self.said[name] = done.stdout + done.stderr
        self.asked[name] = summary(self.azure.requests, places)
        told = [{"method": one.method, "path": one.path, "body": one.body} for one in self.github.calls]
        if told:
            self.asked[name]["github"] = plain([one for one in told if one["method"] != "GET"], places)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, azure_authority: Authority) -> Iterator[World]:
    """Play all steps."""
    root, github = tmp_path_factory.mktemp("steps"), GitHubHost()
    forget_clients()
    with running_azure(
        tmp_path_factory.mktemp("azure"), azure_authority
    ) as azure, pytest.MonkeyPatch.context() as patch:
        for name in [*OTHERS, *(name for name in os.environ if name.startswith(("GITHUB_", "SYSTEM_", "BUILD_")))]:
            patch.delenv(name, raising=False)
        own = {"VISIONLINE_HOME": "home", "VISIONLINE_RUNS": "runs", "VISIONLINE_STAGES": "stages"}
        for name, value in {**azure.environment(), **{key: str(root / one) for key, one in own.items()}}.items():
            patch.setenv(name, value)
        patch.setattr(registry, "SETTLE_SECONDS", 0.0)
        played = World(azure, root, github)
        make_places(played)
        play_all(played)
        yield played
    github.close()
    forget_clients()
    assert complaints(azure) == []


def make_places(world: World) -> None:
    """Make workspaces, stage files, a cluster, a secret, and a copy of the code whose data set is four small files."""
    add_registry(world.azure, "shared")
    add_cluster(world.azure)
    quota.of(world.azure).secrets["github"] = "ghs_workflow"
    for name in ("qa", "production"):
        add_workspace(world.azure, name=f"ws-{name}", account=f"{name}store")
    raw = world.root / "raw"
    dev = {"report": "github", "report_secret": "github", "data": {"name": "stripes", "folder": str(raw)}}
    production: dict[str, Any] = {"workspace": "ws-production", "registry": "shared"}
    write_stages(
        world.root / "stages",
        dev={**dev, "target": "azureml-online", "azureml": {"retraining": RETRAINING}},
        qa={
            "target": "azureml-online",
            "release": {**QUICK, "traffic_steps": [10, 100]},
            "azureml": {"workspace": "ws-qa"},
        },
        production={"target": "azureml-batch", "release": QUICK, "azureml": production},
    )
    copy_code(world.checkout, raw)


def add_cluster(azure: Azure) -> None:
    """Put the cluster that jobs run on, whose identity may do what they do."""
    inner = {"vmSize": "STANDARD_D4S_V5", "vmPriority": "Dedicated"}
    properties = {"computeType": "AmlCompute", "provisioningState": "Succeeded", "properties": inner}
    azure.put(
        f"{WS}/computes/cpu-cluster",
        {"identity": {"type": "SystemAssigned", "principalId": PRINCIPAL}, "properties": properties},
    )
    vault = f"{WS.partition('Microsoft.MachineLearning')[0]}Microsoft.Keyvault/vaults/kv-ws"
    reader = next(iter(SECRET_READERS))
    quota.of(azure).roles = [(WS, PRINCIPAL, quota.SCIENTIST), (vault, PRINCIPAL, reader)]


def copy_code(checkout: Path, raw: Path) -> None:
    """Copy what jobs are made of, and give the data set's four files other contents."""
    for name in ("mlops", "src", "environments"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(REPOSITORY / name, checkout / name, ignore=ignored)
    shutil.copy(REPOSITORY / ".amlignore", checkout)
    raw.mkdir()
    names = checkout / "src" / "vision" / "data.py"
    text = names.read_text(encoding="utf-8")
    for name in FILES:
        (raw / name).write_text(f"the pixels of {name}")
        digest = hashlib.sha256((raw / name).read_bytes()).hexdigest()
        before, found, after = text.partition(f'"{name}": "')
        text = before + found + digest + after[64:]
    names.write_text(text, encoding="utf-8")


def play_all(world: World) -> None:
    """Play a model's life by the steps."""
    at_dev, run = ("--stage", "dev"), ("--run", "r1")
    world.play("preflight", "preflight", *at_dev)
    world.play("data", "data", *at_dev, *run)
    world.play("train", "train", *at_dev, *run, "--no-wait")
    play_nodes(world)
    world.play("promote-qa", "promote", "--stage", "qa", "--run", "promote", "--version", "1")
    play_releases(world)
    world.play("promote-production", "promote", "--stage", "production", "--run", "promote", "--version", "1")
    world.play("deploy-batch", "deploy", "--stage", "production", "--run", "batch")
    publish_batch(world.root / "images", "batch")
    world.play("score", "score", "--stage", "production", "--run", "batch")
    world.play("schedule", "schedule", *at_dev, *run)
    world.play("schedule-pause", "schedule", *at_dev, *run, "--pause")
    world.play("status", "status", *at_dev)


def play_releases(world: World) -> None:
    """Release to qa's online endpoint, then a second version by a canary, and take that one back."""
    at_qa = ("--stage", "qa", "--run")
    world.play("deploy-online", "deploy", *at_qa, "first")
    world.play("verify", "verify", *at_qa, "first")
    second = make_package(world.root / "second", version_bias=0.2)
    Context(load_stage("qa"), run_folder("second")).registry.register(MODEL, second, {"qa": "approved"})
    world.play("deploy-canary", "deploy", *at_qa, "second")
    world.play("rollback", "rollback", *at_qa, "second", "--reason", "a test")


def play_nodes(world: World) -> None:
    """Run the job's last two steps, and the one that asks for the champion, as its nodes run them.

    That is with the flags of their components, by the job's identity.
    """
    node = {**world.azure.job_environment(), "AZURE_FEDERATED_TOKEN_FILE": "", "AZURE_CLIENT_ID": ""}
    made = trained(world.root / "model", 1, Context(load_stage("dev"), run_folder("export")))
    given = ("--package", str(made.package), "--evaluation", str(made.evaluation), "--git-commit", "c0ffee")
    out = ("--out", str(made.out))
    version = ("--data-version", made.data_version)
    world.play("register", "register", "--stage", "dev", *given, *version, *out, "--reject-ok", fresh=True, **node)
    word = encoded(Origin("github", world.github.url, "octo/camera", "", "c0ffee", None, "", None))
    told = ("--registration", str(made.out), "--evaluation", str(made.evaluation), "--origin", word)
    world.play("notify", "notify", "--stage", "dev", *told, "--out", str(world.root / "notification"), **node)
    world.play("champion", "champion", "--stage", "dev", "--out", str(world.root / "champion"), **node)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_asks_for_what_is_written_down_in_this_order(world: World, step: str) -> None:
    assert difference(step, world.asked[step]) == ""


def test_no_step_leaves_a_secret_in_what_it_says_or_sends(world: World) -> None:
    assert set(world.said) == set(STEPS)
    assert Azure.SECRET not in "".join(world.said.values()) + json.dumps(world.asked)


def change_a_value(requests: dict[str, Any]) -> None:
    requests["changes"][-1]["body"]["properties"]["jobs"]["train"]["resources"]["instance_count"] = 2


def change_the_order(requests: dict[str, Any]) -> None:
    requests["changes"][:2] = requests["changes"][1::-1]


def leave_one_out(requests: dict[str, Any]) -> None:
    del requests["changes"][-1]


def ask_once_more(requests: dict[str, Any]) -> None:
    requests["changes"].append(requests["changes"][-1])


def add_a_field(requests: dict[str, Any]) -> None:
    requests["changes"][0]["body"]["tags"] = {}


@pytest.mark.parametrize("change", [change_a_value, change_the_order, leave_one_out, ask_once_more, add_a_field])
def test_a_request_that_is_another_than_written_down_is_seen(change: Callable[[dict[str, Any]], None]) -> None:
    wanted = json.loads((GOLDEN / "train.json").read_text(encoding="utf-8"))
    found = copy.deepcopy(wanted)
    assert first_difference(wanted, found, "train") == ""
    change(found)
    assert first_difference(wanted, found, "train").startswith("train.changes")


def test_what_is_written_down_is_written_on_demand_alone_and_then_the_test_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_requests, "GOLDEN", tmp_path)
    monkeypatch.delenv(WRITE, raising=False)
    with pytest.raises(FileNotFoundError):
        difference("one", {"changes": [], "reads": []})
    monkeypatch.setenv(WRITE, "1")
    with pytest.raises(AssertionError, match="one.json is written: look at the difference"):
        difference("one", {"changes": [], "reads": []})
    monkeypatch.delenv(WRITE)
    assert difference("one", {"changes": [], "reads": []}) == ""
    assert difference("one", {"changes": [], "reads": ["GET a"]}) == "one.reads: 1 instead of 0"


def test_each_file_of_requests_is_of_a_step_that_is_played() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(STEPS)
