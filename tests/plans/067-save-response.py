import glob
import os

from recorder import json_reply

ANSWERS = {"/a": json_reply({"saved": "yes"})}


def check(run):
    run.counts({"/a": 2})
    files = glob.glob(os.path.join(run.lane.dir if run.lane.cluster else run.dir, "*.Resources", "*"))
    assert 1 <= len(files) <= run.n and all(f.endswith(".json") for f in files), f"not one each: {files}"
    for path in files:
        with open(path, encoding="utf-8") as f:
            assert f.read() == '{"saved": "yes"}'
