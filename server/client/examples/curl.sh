#!/usr/bin/env bash
# Search, add a document, follow a task, import a file, undo, with curl alone.
# PALIMPSEST_URL and PALIMPSEST_KEY say where the server is and who calls.
set -euo pipefail
url=${PALIMPSEST_URL:-http://localhost:8080}
key="authorization: Bearer ${PALIMPSEST_KEY:?a key of scope edit}"
json='content-type: application/json'
# --fail-with-body: an answer of 4xx or 5xx ends this script, after its problem is shown.
call() { curl --silent --show-error --fail-with-body "$@"; echo; }

# Search: the three best documents.
call "$url/retrieve" -H "$json" -d '{"query": "a kettle boils water", "k": 3}'

# Add a document. The same Idempotency-Key sent twice edits once, so this line may be run again after a lost connection.
call "$url/documents" -H "$key" -H "$json" -H 'idempotency-key: add-teapot-1' -d '{
  "docid": "teapot", "title": "Teapot", "text": "A pot with a spout, in which tea is brewed."}'

# Follow a task: wait=0 answers at once with a task, whose address is in the header Location.
task=$(curl --silent --show-error --fail-with-body -o /dev/null -w '%header{location}' "$url/documents?wait=0" \
  -H "$key" -H "$json" -d '{"docid": "samovar", "text": "A Russian urn that keeps water hot for tea."}')
call "$url$task?wait=60"

# Import a file of documents, one a line; a line comes back for each.
file=$(mktemp)
trap 'rm -f "$file"' EXIT
cat > "$file" <<'LINES'
{"docid": "anvil", "title": "Anvil", "text": "A smith shapes hot iron on an anvil."}
{"docid": "bellows", "text": "Bellows blow air into the fire of a forge."}
LINES
call "$url/documents/import" -H "$key" -H 'content-type: application/x-ndjson' -T "$file" -X POST

# Undo the last edit.
last=$(curl --silent --show-error --fail-with-body "$url/edits?limit=0" -H "$key" | sed 's/.*"last":\([0-9]*\).*/\1/')
call -X POST "$url/edits/$last/undo" -H "$key"
