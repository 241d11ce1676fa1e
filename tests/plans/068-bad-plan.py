import re

EXIT = 2
FAST = True


def check(run):
    run.counts({})
    places = [int(line) for line in re.findall(r"068-bad-plan\.yaml:(\d+):\d+: ", run.err)]
    expected = {4, 5, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21}
    assert expected <= set(places), f"nothing of lines {sorted(expected - set(places))}: {run.err}"
    assert "login" in run.err and "failureRules" in run.err, "hints"
