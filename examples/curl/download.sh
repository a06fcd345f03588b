#!/bin/sh
# Prints the content of an upload: download.sh ID > FILE
set -eu
URL=${STEVEDORE_URL:-http://localhost:8787}
KEY=${STEVEDORE_KEY:-dev-admin-token}
DOMAIN=${STEVEDORE_DOMAIN:-demo}

curl -sS --fail-with-body -H "Authorization: Bearer $KEY" -H "X-Upload-Domain: $DOMAIN" "$URL/v1/uploads/$1/content"
