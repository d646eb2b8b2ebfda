"""Changes DIR/desired.json: under a lock, because several declare; whole or not at all; as the next generation.

Whoever else writes the file (a deploy adapter) takes the same lock, DIR/desired.lock, by flock(2).
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from serving.desired import Desired, DesiredModel, parse_desired
from serving.errors import ServingError
from serving.files import write_json

Models = Mapping[str, DesiredModel]


def declare(directory: Path, change: Callable[[Models], Models]) -> int:
    """Replace the declared models by what `change` makes of them, and return the generation that says so.

    Where nothing changes nothing is written. Raises ServingError where desired.json can't be read, and what `change`
    raises; then nothing has changed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory / "desired.lock"):
        now = read_desired(directory)
        models = dict(change(now.models))
        if models == now.models:
            return now.generation
        write_json(directory / "desired.json", asdict(Desired(now.generation + 1, models)))
        return now.generation + 1


def declare_file(directory: Path, file: Path) -> int:
    """Declare the models of a file like desired.json, and leave others as they are. Raises ServingError."""
    models = read_declared(file).models
    return declare(directory, lambda now: {**now, **models})


def only_model(file: Path) -> dict[str, str]:
    """Return the one deployment that a file like desired.json declares. Raises ServingError where it is not one."""
    declared = read_declared(file)
    found = [deployment for model in declared.models.values() for deployment in model.deployments.values()]
    if len(found) != 1:
        raise ServingError(f"{file}: declares {len(found)} deployments: name the one that shall score")
    return asdict(found[0])


def read_desired(directory: Path) -> Desired:
    """Return what is declared; nothing, of generation 0, where there is no file. Raises ServingError."""
    path = directory / "desired.json"
    return read_declared(path) if path.exists() else Desired(0, {})


def read_declared(path: Path) -> Desired:
    """Return what a file like desired.json declares. Raises ServingError, naming the file."""
    try:
        return parse_desired(path.read_bytes())
    except OSError as error:
        raise ServingError(f"{path}: cannot be read ({error.strerror}): mend it or remove it") from None
    except ServingError as error:
        raise ServingError(f"{path}: {error}: mend it or remove it") from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the kernel lets go when its holder dies
        yield
