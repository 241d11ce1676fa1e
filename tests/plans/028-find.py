import json

FAST = True


def check(run):
    run.echoes({"X-First": "2", "X-Last": "3", "X-Count": "2", "X-None": "none", "X-Text": "n is a", "X-Xml": "bob"})
    for r in run.requests:
        assert json.loads(r.header("X-All")) == [2, 3] and json.loads(r.header("X-Whole")) == {"id": 3, "n": "b"}
        assert json.loads(r.header("X-Xml-All")) == ["ann", "bob"]
