FAST = True


def check(run):
    run.echoes({
        "X-Sum": "9", "X-Sum-List": "6.5", "X-Min": "1", "X-Max": "9", "X-Multiply": "21", "X-Average": "1.5", "X-Divide": "3.5",
        "X-Subtract": "-3", "X-Mod": "-1", "X-Pow": "1024", "X-Abs": "5", "X-Floor": "2", "X-Ceil": "3", "X-Round": "3",
        "X-Round-Digits": "2.3", "X-Clamp": "10", "X-Greater": "8", "X-Less": "7", "X-Than": "false", "X-Smaller": "true",
        "X-At-Least": "true", "X-At-Most": "false", "X-Equal": "true"})
