#!/bin/sh
# Waits until an upload has changed, 30 seconds at most, and prints its status as JSON: wait.sh ID
set -eu
URL=${STEVEDORE_URL:-http://localhost:8787}
KEY=${STEVEDORE_KEY:-dev-admin-token}
DOMAIN=${STEVEDORE_DOMAIN:-demo}

curl -sS --fail-with-body -H "Authorization: Bearer $KEY" -H "X-Upload-Domain: $DOMAIN" -H 'Prefer: wait=30' \
  "$URL/v1/uploads/$1/status"
