#!/usr/bin/env bash
# Packs onehop for the image, and installs it beside the code of the Lambda.
set -euo pipefail
cd "$(dirname "$0")"

rm -f app/onehop.tgz app/onehop-*.tgz
npm pack ../.. --pack-destination app
mv app/onehop-*.tgz app/onehop.tgz
# Without a lock file: the archive is different each time.
rm -rf reaper/node_modules
npm install --prefix reaper --omit=dev --no-package-lock --no-audit --no-fund
