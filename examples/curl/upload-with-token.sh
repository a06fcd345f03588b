#!/bin/sh
# Makes a token for one picture, uploads with it alone, and prints the answer: upload-with-token.sh FILE
set -eu
URL=${STEVEDORE_URL:-http://localhost:8787}
KEY=${STEVEDORE_KEY:-dev-admin-token}
DOMAIN=${STEVEDORE_DOMAIN:-demo}

ANSWER=$(curl -sS --fail-with-body -H "Authorization: Bearer $KEY" -H "X-Upload-Domain: $DOMAIN" \
  -H 'Content-Type: application/json' -d '{"types":["image/*"],"uses":1,"expiresInSeconds":60}' "$URL/v1/upload-tokens") || {
  echo "$ANSWER" >&2
  exit 1
}
TOKEN=$(echo "$ANSWER" | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')

curl -sS --fail-with-body -H "Authorization: Bearer $TOKEN" -H 'Expect:' -F "file=@$1" "$URL/v1/uploads"
