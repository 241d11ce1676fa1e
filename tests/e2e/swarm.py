#!/usr/bin/python3
"""Twenty workers in one process against a real master: what tests/bench/scale measures with thousands, in small."""
import os
import sys

from lps import ROOT, main, test

sys.path.insert(0, os.path.join(ROOT, "tests/bench"))
import scale_run  # noqa: E402


def whole(row):
    assert row["whole"] and row["verdict"] == "passed" and row["flags"] == [], row
    wrong = scale_run.disagreements(row)
    assert not wrong, (wrong, row)


@test(fast=True)
def the_masters_totals_are_those_of_twenty_workers(t):
    row = scale_run.run(t, 20, 5, 3, 100)
    whole(row)
    assert row["totals"] == {"requests": 20 * 3 * 100, "completed": 20 * 3 * 95, "failed": 20 * 3 * 5}, row
    assert row["connections"] == 20, row
    assert row["swarm"]["windows"]["bytesMost"] <= 8192, row


@test
def a_run_of_more_workers_than_a_state_lists_ends_well(t):
    """Each is told its own member, and one result is packed for all."""
    row = scale_run.run(t, 80, 2, 2, 10)
    whole(row)
    assert row["connections"] == 80, row


if __name__ == "__main__":
    main()
