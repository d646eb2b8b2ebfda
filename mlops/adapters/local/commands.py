"""A component's command as arguments: first split, then each filled with its values, and no shell at any time.

So a folder with a space in its name stays one argument. What needs a shell is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Set

from mlops.errors import ConfigError
from mlops.jobfile.bindings import ANY, OPTIONAL, inputs_named

SHELL_WORDS = re.compile(r"[();<>|&]+")
SHELL_TEXT = re.compile(r"`|\$(?!\{\{)")


def command_arguments(command: str, given: Set[str], where: str) -> tuple[str, ...]:
    """Return a command as arguments that still hold their bindings; `$[[...]]` goes where its input is not given.

    Raises ConfigError where the command names no program, is unbalanced in its quotes, or needs a shell.
    """
    kept = OPTIONAL.sub(lambda part: part[1] if inputs_named(part[1]) <= given else "", command)
    tight = ANY.sub(lambda binding: "${{" + binding[1] + "}}", kept)
    try:
        lexer = shlex.shlex(tight, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        arguments = tuple(lexer)
    except ValueError as error:
        raise ConfigError(f"{where}: cannot be split into arguments ({error}): close the quote") from None
    if not arguments:
        raise ConfigError(f"{where}: is empty: name a program")
    for argument in arguments:
        if SHELL_WORDS.fullmatch(argument) or SHELL_TEXT.search(argument):
            raise ConfigError(f"{where}: '{argument}' needs a shell, and there is none here: start one program")
    return arguments


def fill(argument: str, values: Mapping[str, str]) -> str:
    """Return an argument with its bindings replaced. `values` is keyed `inputs.NAME` and `outputs.NAME`."""
    return ANY.sub(lambda binding: values[binding[1]], argument)
