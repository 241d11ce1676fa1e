FAST = True


def check(run):
    run.echoes({
        "X-Text": "plain", "X-QText": '"plain"', "X-Json": "20", "X-Json-Dollar": "x y", "X-Json-Bool": "true", "X-Json-Sum": "20",
        "X-Json-Date": "2024-01-02T03:04:05Z", "X-Json-Bare": "x y", "X-QJson": '"v"', "X-Xml": "two", "X-Xml-Where": "one",
        "X-QXml": '"one"', "X-Csv": "y, z", "X-Csv-Sum": "z", "X-QCsv": '"x"', "X-Int": "42", "X-Float": "1.5", "X-Double": "2.5",
        "X-Bool": "true", "X-Cut": "42", "X-Later": "plain-42"})
