#!/bin/sh
# Uploads a file, and prints the id under which it is kept: upload.sh FILE
set -eu
URL=${STEVEDORE_URL:-http://localhost:8787}
KEY=${STEVEDORE_KEY:-dev-admin-token}
DOMAIN=${STEVEDORE_DOMAIN:-demo}

# -H Expect: keeps curl from waiting a second for a permission that never comes.
ANSWER=$(curl -sS --fail-with-body -H "Authorization: Bearer $KEY" -H "X-Upload-Domain: $DOMAIN" -H 'Expect:' \
  -F "file=@$1" -F 'metadata={"from":"curl"}' "$URL/v1/uploads") || {
  echo "$ANSWER" >&2
  exit 1
}
echo "$ANSWER" | sed -n 's/.*"upload":{"id":"\([^"]*\)".*/\1/p'
