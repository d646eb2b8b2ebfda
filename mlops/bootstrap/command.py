"""Commands as they are printed, for a person to read or to run as a script, and as they are run, one by one.

A command's answer may be kept under a name; later ones hold it as `$NAME`. What can only be made once has a look before
it that counts what is there, and is left out where something is.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import Template

from mlops.errors import ConfigError, JobError

LONGEST_REASON = 300
WAY_OUT = "mend it and run this again: what is done stays so"
INSTALL = {
    "gh": "install GitHub's command line and run `gh auth login`",
    "az": "install Azure's command line and run `az login`",
}


@dataclass(frozen=True)
class Command:
    """One call of gh or az. `keeps` names its answer; `unless` names a kept count: run only where that is 0.

    `done_by` are complaints that say that all is so already.
    """

    arguments: tuple[str, ...]
    keeps: str | None = None
    unless: str | None = None
    done_by: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the command as a line of bash."""
        line = " ".join(_quoted(argument) for argument in self.arguments)
        if self.keeps:
            return f'{self.keeps}="$({line})"'
        if self.unless:
            return f'[ "${self.unless}" != 0 ] || {line}'
        return f"{line} || true" if self.done_by else line


def script(commands: Sequence[Command]) -> list[str]:
    """Return the commands as a script for bash."""
    return ["set -eu", *(command.text for command in commands)]


def apply(commands: Sequence[Command], say: Callable[[str], None]) -> None:
    """Run the commands in order, saying each first. Raises StepError at the first that fails."""
    kept: dict[str, str] = {}
    for number, command in enumerate(commands, 1):
        if command.unless and kept[command.unless] != "0":
            say(f"is there: {command.text}")
            continue
        say(command.text)
        answer = _run(command, kept, f"command {number} of {len(commands)}")
        if command.keeps:
            if not answer:
                raise JobError(f"command {number} of {len(commands)}: {command.text}: answers nothing: {WAY_OUT}")
            kept[command.keeps] = answer


def answer(command: Command) -> str:
    """Return what a command answers that only looks. Raises StepError where it fails."""
    return _run(command, {}, "az")


def _run(command: Command, kept: dict[str, str], which: str) -> str:
    arguments = [Template(argument).substitute(kept) if "$" in argument else argument for argument in command.arguments]
    tool = arguments[0]
    try:
        ended = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise ConfigError(f"{tool}: can't be run ({error.strerror}): {INSTALL.get(tool, 'install it')}") from None
    complaint = " ".join(ended.stderr.split())
    if ended.returncode and not any(text in complaint for text in command.done_by):
        said = complaint[-LONGEST_REASON:] or f"exit code {ended.returncode}"
        raise JobError(f"{which}: {command.text}: {said}: {WAY_OUT}")
    return ended.stdout.strip()


def _quoted(argument: str) -> str:
    if "$" not in argument:
        return shlex.quote(argument)
    for sign in ("\\", '"', "`"):
        argument = argument.replace(sign, f"\\{sign}")
    return f'"{argument}"'
