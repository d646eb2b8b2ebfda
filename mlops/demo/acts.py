"""The scenario: which command runs when, and with which exit code it must end. It runs nothing.

Version 1 is trained briefly and goes to production. Version 2, trained in full, follows through a canary. Version 3 is
exported for one frame size only, which no gate can see, since every test image has that size: its canary must fail on
the cameras' frames. Last, production rolls back from version 2 to version 1, which then scores a batch of images. All
the while clients send frames.
"""

from __future__ import annotations

from dataclasses import dataclass

BRIEF = ("--set", "epochs=1", "--set", "width=8")
ONE_FRAME_SIZE = ("--set", "frame_size=28")


@dataclass(frozen=True)
class Act:
    """A command of `python -m mlops`, and the exit code that it must end with."""

    title: str
    command: tuple[str, ...]
    expected: int = 0


@dataclass(frozen=True)
class Scene:
    """What is no command of `python -m mlops`: the clip, clients that start and stop, the video stream, the batch."""

    title: str
    name: str  # clip | load | stream | batch | hush


def life(run: str, brief: tuple[str, ...] = BRIEF, full: tuple[str, ...] = ()) -> list[Act | Scene]:
    """Return the acts of the demo in order. `run` is the run's id; `brief` and `full` are train's flags for 1 and 2."""
    return [
        *_made(f"{run}/v1", "v1", brief),
        Scene("make the clip", "clip"),
        *_released(f"{run}/v1", "v1", production=0),
        Scene("clients start", "load"),
        *_made(f"{run}/v2", "v2", full),
        *_released(f"{run}/v2", "v2", production=0),
        Scene("score the video stream", "stream"),
        *_made(f"{run}/v3", "v3", (*full, *ONE_FRAME_SIZE)),
        *_released(f"{run}/v3", "v3", production=2),
        Act("roll back v2", ("rollback", "--stage", "production", "--run", run, "--reason", "demo: v2 is not wanted")),
        Act("verify production", ("verify", "--stage", "production", "--run", run)),
        Scene("publish a batch", "batch"),
        Act("score the batch", ("score", "--stage", "production", "--run", f"{run}/batch")),
        Scene("clients stop", "hush"),
    ]


def _made(run: str, name: str, flags: tuple[str, ...]) -> list[Act | Scene]:
    return [
        Act(f"data {name}", ("data", "--stage", "dev", "--run", run)),
        Act(f"train {name}", ("train", "--stage", "dev", "--run", run, *flags)),
    ]


def _released(run: str, name: str, production: int) -> list[Act | Scene]:
    return [
        Act(f"deploy {name} to dev", ("deploy", "--stage", "dev", "--run", run)),
        Act(f"promote {name} to qa", ("promote", "--stage", "qa", "--run", run)),
        Act(f"deploy {name} to qa", ("deploy", "--stage", "qa", "--run", run)),
        Act(f"promote {name} to prod", ("promote", "--stage", "production", "--run", run)),
        Act(f"deploy {name} to prod", ("deploy", "--stage", "production", "--run", run), production),
    ]
