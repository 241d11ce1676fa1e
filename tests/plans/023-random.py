import re

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
FORMS = {"X-Random": "[A-Za-z0-9]{12}", "X-Guid": UUID, "X-Uuid": "id-" + UUID, "X-Email": r"qa-[0-9a-f]{8}@test\.example",
         "X-Number": "[5-9]", "X-Item": "[123]", "X-Time": r"20\d\d-[01]\d-[0-3]\d"}


def check(run):
    assert len(run.requests) == 20 * run.n
    for name, form in FORMS.items():
        found = [r.header(name) for r in run.requests]
        assert all(re.fullmatch(form, value) for value in found), f"{name}: {found}"
        least = {"X-Number": 2, "X-Item": 2, "X-Time": 1}.get(name, len(found))
        assert len(set(found)) >= least, f"{name}: {found}"
