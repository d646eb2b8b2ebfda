"""Who this process is to others that meet its lock or its commits. It holds nothing."""

from __future__ import annotations

import os
import socket


def holder() -> str:
    """Return who this process is to others: the pipeline run where there is one, else the process and its machine."""
    given = os.environ.get
    if given("GITHUB_RUN_ID"):
        return f"{given('GITHUB_SERVER_URL')}/{given('GITHUB_REPOSITORY')}/actions/runs/{given('GITHUB_RUN_ID')}"
    if given("BUILD_BUILDID"):
        where = f"{given('SYSTEM_TEAMFOUNDATIONCOLLECTIONURI', '')}{given('SYSTEM_TEAMPROJECT', '')}"
        return f"{where}/_build/results?buildId={given('BUILD_BUILDID')}"
    return f"process {os.getpid()} on {socket.gethostname()}"
