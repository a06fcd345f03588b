#!/bin/sh
# Prints what happens to an upload until it has come to its end: follow.sh ID
set -eu
URL=${STEVEDORE_URL:-http://localhost:8787}
KEY=${STEVEDORE_KEY:-dev-admin-token}
DOMAIN=${STEVEDORE_DOMAIN:-demo}

curl -sSN --fail-with-body -H "Authorization: Bearer $KEY" -H "X-Upload-Domain: $DOMAIN" "$URL/v1/uploads/$1/events"
