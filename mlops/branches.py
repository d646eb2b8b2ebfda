"""Which branches and git tags are a stage's, by the setting VISIONLINE_BRANCHES; which stage, the pipelines' YAML says.

`branches`: dev, qa and main are the stages dev, qa and production. `single`: main is dev, and a version gets into qa
and production by a release that a git tag (`qa/3`) or a person starts.
"""

from __future__ import annotations

SETTING = "VISIONLINE_BRANCHES"
BRANCHES = {"branches": ("dev", "qa", "main"), "single": ("main",)}
RELEASE_TAGS = ("qa/", "production/")


def is_stages_own(name: str) -> bool:
    """Tell whether a branch is a stage's on either way, or a git tag names a release, as `qa/3`."""
    return name.startswith(RELEASE_TAGS) or any(name in known for known in BRANCHES.values())
