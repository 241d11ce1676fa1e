def check(run):
    numbers = [int(r.text) for r in run.requests]
    assert len(numbers) == 100 * run.n and len(set(numbers)) == 100 * run.n, sorted(numbers)
    assert min(numbers) >= 1
