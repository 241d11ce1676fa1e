ENV = {"PLAN_TOKEN": "tok-from-env-7"}


def check(run):
    run.bodies("pw=hunter2-in-plan")
    run.echoes({"Authorization": "Bearer tok-from-env-7", "X-Unknown": "${nothing}-hunter2-in-plan"})
    run.never_told("hunter2-in-plan")
    run.never_told("tok-from-env-7")
