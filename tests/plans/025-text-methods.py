FAST = True


def check(run):
    run.echoes({"X-Format": "Hi Bob, 2.50", "X-Format-List": "Alice-12345", "X-Strcat": "Bob| is |1", "X-Lower": "bob",
                "X-Upper": "BOBX", "X-Contains": "true", "X-Starts": "false", "X-Ends": "true", "X-Equals": "true", "X-Length": "3"})
