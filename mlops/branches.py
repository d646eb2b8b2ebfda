"""Which stage a branch stands for: a pure rule of the two ways to work, by the setting VISIONLINE_BRANCHES.

`branches`: dev, qa and main are the stages dev, qa and production. `single`: main is dev, and a version gets into qa
and production by a release that a git tag (`qa/3`) or a person starts.
"""

from __future__ import annotations

from mlops.errors import ConfigError

SETTING = "VISIONLINE_BRANCHES"
STAGES_OF = {
    "branches": {"dev": "dev", "qa": "qa", "main": "production"},
    "single": {"main": "dev"},
}
HEADS = "refs/heads/"
RELEASE_TAGS = ("qa/", "production/")


def stage_of(branch: str, way: str) -> str:
    """Return the stage of a branch, named as `qa` or `refs/heads/qa`. Raises ConfigError where it has none."""
    if way not in STAGES_OF:
        raise ConfigError(f"{SETTING}: '{way}' is unknown: use one of {', '.join(STAGES_OF)}")
    known, name = STAGES_OF[way], branch.removeprefix(HEADS)
    if name not in known:
        raise ConfigError(f"branch '{name}' is no stage's with {SETTING}={way}: use one of {', '.join(known)}")
    return known[name]


def is_stages_own(name: str) -> bool:
    """Tell whether a branch is a stage's on either way, or a git tag names a release, as `qa/3`."""
    return name.startswith(RELEASE_TAGS) or any(name in known for known in STAGES_OF.values())
