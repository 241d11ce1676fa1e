#!/usr/bin/python3
"""The watchdog of a runner: it holds requests back, schedules go on, and the result says so."""
import json

from lps import main, program, test
from recorder import Recorder, reply

PLAN = """\
name: watched
rounds:
  - name: r
    {round}
    iterations:
      - name: i
        {iteration}
        httpRequest: {{url: "{url}/", method: GET, version: "1.1"}}
"""


def run(t, of_round, iteration, delay, text=False, strict=False, **keys):
    """(document or text, what was said, requests that came) of a test with these settings of the watchdog."""
    recorder = Recorder(other=reply(delay=delay))
    settings = {"CoolDownRetryTimeInMs": 20, "MaxCoolingPeriod": 20, "ResumeCoolingAfter": 20, **keys}
    t.file("settings.json", json.dumps({"Watchdog": settings}))
    t.file("plan.yaml", PLAN.format(round=of_round, iteration=iteration, url=recorder.url))
    lps = t.start("lps", program("lps"), "run", "plan.yaml", "--local", "--config", "settings.json", *([] if text else ["--json"]),
                  *["--strict"] * strict, cwd=t.dir)
    try:
        assert lps.wait(60) == (5 if strict else 0), lps.err
        return lps.out if text else lps.json(), lps.err, list(recorder.requests)
    finally:
        recorder.close()


IN_FLIGHT = {"MaxConcurrentConnectionsCountPerHostName": 5, "CoolDownConcurrentConnectionsCountPerHostName": 1}


@test
def what_is_due_in_a_pause_is_sent_late(t):
    result, said, requests = run(t, "numberOfClients: 1000", "mode: D\n        rate: 20\n        duration: 2", 0.5,
                             **IN_FLIGHT)
    totals = result["totals"]
    assert totals["requests"] == len(requests) and len(requests) + totals["dropped"] == 40, totals
    paused = sum(result["timeline"]["pausedUs"])
    assert 100_000 < paused, result["timeline"]["pausedUs"]
    assert "127.0.0.1" in said and "5" in said, said
    latency = totals["latencyUs"]
    # Late by the pause, and the service as ever.
    assert latency["lag"]["max"] > 100_000 and latency["response"]["max"] >= latency["service"]["max"], latency


@test
def clients_wait_and_do_all_that_they_have_to(t):
    result, _, requests = run(t, "numberOfClients: 10", "requestCount: 4", 0.2, **IN_FLIGHT)
    assert result["totals"]["completed"] == len(requests) == 40, result["totals"]
    assert sum(result["timeline"]["pausedUs"]) > 0
    assert "watchdog" in run(t, "numberOfClients: 10", "requestCount: 2", 0.2, text=True, **IN_FLIGHT)[0]


@test
def a_run_within_the_limits_is_not_paused(t):
    result, said, requests = run(t, "numberOfClients: 3", "requestCount: 5", 0.05, **IN_FLIGHT)
    assert result["totals"]["completed"] == len(requests) == 15
    assert sum(result["timeline"]["pausedUs"]) == 0 and "hold" not in said, said


@test
def a_pause_has_its_longest_time(t):
    """Pressure that does not go away, as no answer comes: requests flow again after MaxCoolingPeriod."""
    result, _, requests = run(t, "numberOfClients: 6\n    arrivalDelay: 100", "requestCount: 1", 4, strict=True, **{
        **IN_FLIGHT, "MaxConcurrentConnectionsCountPerHostName": 2, "MaxCoolingPeriod": 1})
    assert result["totals"]["completed"] == len(requests) == 6
    assert sum(result["timeline"]["pausedUs"]) >= 800_000, result["timeline"]["pausedUs"]
    assert requests[-1].at < requests[0].at + 4, "all came before the first answer"
    generator = result["generator"]
    assert (generator["state"], generator["limit"]) == ("generator-limited", "watchdog"), generator
    assert result["verdict"]["status"] == "generator-limited" and result["workers"][0]["generator"]["text"] in result["verdict"]["reasons"][-1]


if __name__ == "__main__":
    main()
