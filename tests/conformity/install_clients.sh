#!/bin/sh
# Installs the real clients that the conformity tests run (jsforce, the Salesforce CLI, Node 22) into var/clients.
# Usage: tests/conformity/install_clients.sh [DIRECTORY]      needs: npm, a network, about 600 MB
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-${CAUSEWAY_CLIENTS:-$here/../../var/clients}}
command -v npm >/dev/null || { echo "npm is missing: install Node.js first (apt install nodejs npm)" >&2; exit 1; }
mkdir -p "$target"
cp "$here/jsforce/package.json" "$target/package.json"
cd "$target"
export SF_DISABLE_TELEMETRY=true SF_AUTOUPDATE_DISABLE=true
# The node package fetches its binary in an install script, so scripts must be allowed, also for root.
npm install --no-audit --no-fund --no-offline --prefer-offline --loglevel=error --unsafe-perm
echo "installed in $target:"
ls node_modules/.bin | grep -x -e node -e sf || true
