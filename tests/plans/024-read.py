FAST = True
FILES = {"users.csv": "name,pw\nann,1\nbob,2\n", "note.txt": "a note"}
ENV = {"PLAN_TOKEN": "t0k", "PLAN_REGION": "eu"}


def check(run):
    run.targets("/user/ann", "/user/bob", "/user/ann")
    run.echoes({"Authorization": "Bearer t0k", "X-Direct": "a note", "X-Env": "eu-1"})
