"""Search, add a document, follow a task, import a file, undo, with the standard library alone.

    PALIMPSEST_KEY=... python3 python.py
"""

import json
import os
import uuid
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

URL = os.environ.get("PALIMPSEST_URL", "http://localhost:8080")
KEY = os.environ["PALIMPSEST_KEY"]


class Problem(Exception):
    """What the server refused, with its fields (RFC 9457): status, code, detail, errors."""

    def __init__(self, fields):
        super().__init__(fields["detail"])
        self.fields = fields


def call(method, path, body=None, content_type="application/json", headers=()):
    """The answer to a request, still to be read."""
    request = Request(URL + path, data=body, method=method)
    request.add_header("Authorization", f"Bearer {KEY}")
    if body is not None:
        request.add_header("Content-Type", content_type)
    for name, value in dict(headers).items():
        request.add_header(name, value)
    try:
        return urlopen(request, timeout=120)
    except HTTPError as error:
        raise Problem(json.load(error)) from None


def call_json(method, path, body=None, **more):
    with call(method, path, None if body is None else json.dumps(body).encode(), **more) as answer:
        return json.load(answer)


def ended(task):
    """A task at its end."""
    while task["finishedAt"] is None:
        task = call_json("GET", f"/tasks/{task['id']}?wait=10")
        print(task["state"], (task["progress"] or {}).get("message", ""))
    if task["state"] != "succeeded":
        raise RuntimeError(task["error"])
    return task["result"]


# Search: the three best documents.
found = call_json("POST", "/retrieve", {"query": "a kettle boils water", "k": 3})
for candidate in found["candidates"]:
    print(candidate["rank"], candidate["docid"], candidate["score"])

# Add a document. Sent again under the same key, after a lost connection say, it is added once.
teapot = {"docid": "teapot", "title": "Teapot", "text": "A pot with a spout, in which tea is brewed."}
try:
    outcome = call_json("POST", "/documents", teapot, headers={"Idempotency-Key": str(uuid.uuid4())})
    print("edit", outcome["seq"])
except Problem as problem:
    if problem.fields["code"] != "docid_taken":
        raise
    print(problem)

# Follow a task: with wait=0 an edit is answered at once, and goes on.
samovar = {"docid": "samovar", "text": "A Russian urn that keeps water hot for tea."}
outcome = ended(call_json("POST", "/documents?wait=0", samovar))
print("edit", outcome["seq"], "took", outcome["seconds"], "seconds")

# Import a file of documents, one a line; a line comes back for each.
lines = Path(__file__).with_name("documents.jsonl").read_bytes()
with call("POST", "/documents/import", lines, content_type="application/x-ndjson") as answer:
    for line in answer:
        result = json.loads(line)
        print(result["docid"], result["status"], result.get("detail", ""))

# Undo the last edit.
last = call_json("GET", "/edits?limit=0")["last"]
print("edit", last, "is taken back by edit", call_json("POST", f"/edits/{last}/undo")["seq"])
