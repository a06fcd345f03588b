#!/bin/sh
# Prints the newest pictures as JSON: list.sh
set -eu
URL=${STEVEDORE_URL:-http://localhost:8787}
KEY=${STEVEDORE_KEY:-dev-admin-token}
DOMAIN=${STEVEDORE_DOMAIN:-demo}

curl -sS --fail-with-body -H "Authorization: Bearer $KEY" -H "X-Upload-Domain: $DOMAIN" \
  "$URL/v1/uploads?type=image/*&limit=10"
