"""Which files of a run are a step's own logs, and whose."""

from __future__ import annotations

import pytest

from mlops.adapters.azureml.history import LOG, _processes


def test_a_steps_own_logs_are_told_from_others_by_the_rank_of_the_process() -> None:
    names = ("std_log_process_00.txt", "std_log_process_10.txt", "mpi_log.txt", "retry_001/std_log_process_01.txt")
    logs = {f"user_logs/{name}": name for name in names} | {"system_logs/std_log_process_02.txt": "other"}
    assert _processes(logs) == {0: "std_log_process_00.txt", 10: "std_log_process_10.txt"}


@pytest.mark.parametrize("name, rank", [("std_log.txt", 0), ("std_log_0.txt", 0), ("std_log_3.txt", 3)])
def test_a_single_log_has_rank_0_or_its_number(name: str, rank: int) -> None:
    assert _processes({f"user_logs/{name}": "url"}) == {rank: "url"}


def test_the_first_log_that_a_sentence_names_is_found() -> None:
    said = "Please check log file 'user_logs/std_log.txt' for details. See user_logs/std_log_process_04.txt, too."
    assert [one[1] for one in LOG.finditer(said)] == [None, "04"]
