#!/bin/sh
# Installs the real clients that the conformity tests run into var/clients: jsforce, the Salesforce CLI and Node 22 by npm;
# Python clients (python_clients/requirements.txt) into a virtual environment of their own.
# Usage: tests/conformity/install_clients.sh [DIRECTORY]      needs: npm, Python 3.11, a network, about 700 MB
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
python=$(command -v python3.11 || command -v python3) || { echo "Python is missing" >&2; exit 1; }
[ -x "$target/python/bin/python" ] || "$python" -m venv "$target/python"
"$target/python/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/python_clients/requirements.txt"
echo "installed in $target:"
ls node_modules/.bin | grep -x -e node -e sf || true
