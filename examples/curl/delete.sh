#!/bin/sh
# Deletes an upload: delete.sh ID
set -eu
URL=${STEVEDORE_URL:-http://localhost:8787}
KEY=${STEVEDORE_KEY:-dev-admin-token}
DOMAIN=${STEVEDORE_DOMAIN:-demo}

curl -sS --fail-with-body -H "Authorization: Bearer $KEY" -H "X-Upload-Domain: $DOMAIN" -X DELETE "$URL/v1/uploads/$1"
