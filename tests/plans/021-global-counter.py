def check(run):
    numbers = [int(r.target.split("/")[-1]) for r in run.requests]
    assert len(numbers) == 40 * run.n and len(set(numbers)) == 40 * run.n, sorted(numbers)
    for client in run.clients():
        own = [int(r.target.split("/")[-1]) for r in client]
        assert own == sorted(own), own
