#!/bin/sh
# Sends a file in two pieces by tus, as if the connection had broken, and prints its address: resume.sh FILE
set -eu
URL=${STEVEDORE_URL:-http://localhost:8787}
KEY=${STEVEDORE_KEY:-dev-admin-token}
DOMAIN=${STEVEDORE_DOMAIN:-demo}

tus() {
  curl -sS --fail-with-body -H "Authorization: Bearer $KEY" -H "X-Upload-Domain: $DOMAIN" -H 'Tus-Resumable: 1.0.0' "$@"
}
# header NAME: its value in the answer on standard input.
header() { tr -d '\r' | sed -n "s/^$1: //Ip"; }

SIZE=$(($(wc -c <"$1")))
NAME=$(basename "$1" | tr -d '\n' | base64 | tr -d '\n')
UPLOAD=$(tus -D - -o /dev/null -X POST -H "Upload-Length: $SIZE" -H "Upload-Metadata: filename $NAME" "$URL/v1/tus" |
  header Location)

head -c $((SIZE / 2)) "$1" | tus -X PATCH -H 'Upload-Offset: 0' -H 'Content-Type: application/offset+octet-stream' \
  --data-binary @- "$UPLOAD"

# Where it goes on: asked of the server, whatever became of the piece before.
OFFSET=$(tus -I "$UPLOAD" | header Upload-Offset)
tail -c +$((OFFSET + 1)) "$1" | tus -X PATCH -H "Upload-Offset: $OFFSET" \
  -H 'Content-Type: application/offset+octet-stream' --data-binary @- "$UPLOAD"

echo "$UPLOAD"
