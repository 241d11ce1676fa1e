FAST = True


def check(run):
    run.echoes({"X-Escaped": "$a", "X-Ends": "v=1;", "X-Underscore": "1_1", "X-List": "[1, 1]", "X-Unknown": "${nope.x}",
                "X-Bare-Unknown": "${nope}", "X-Once": "$a", "X-Price": "5$ or $ 5"})
    run.bodies('{"price": "$5", "a": "1"}')
    assert "nope" in run.err, "a warning: " + run.err
