FAST = True


def check(run):
    run.targets(*[f"/a?up={n}" for n in (1, 2, 3, 1, 2)])
    run.each(lambda r: r.header("X-Down"), ["3", "2", "1", "3", "2"])
    run.each(lambda r: r.header("X-Named"), ["1", "2", "3", "1", "2"])
    run.each(lambda r: r.header("X-By-Ten"), ["10", "20", "30", "40", "50"])
