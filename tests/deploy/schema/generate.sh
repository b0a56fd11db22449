#!/usr/bin/env bash
# Make the schemas in this folder again (make grafana-schema): needs Node and npm. README.md says what they are.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$here/../../../.cache/grafana-schema
mkdir -p "$work"
cp "$here/package.json" "$here/.npmrc" "$work"
if [ -e "$here/package-lock.json" ]; then
    cp "$here/package-lock.json" "$work"
    npm --prefix "$work" ci --silent
else
    rm -f "$work/package-lock.json"
    npm --prefix "$work" install --silent
    cp "$work/package-lock.json" "$here"
fi

types=$work/node_modules/@grafana/schema/dist/types/raw
generate() { # FILE TYPE OUT MORE...
    "$work/node_modules/.bin/ts-json-schema-generator" --no-type-check --jsDoc none \
        --path "$types/$1" --type "$2" --out "$here/$3" "${@:4}"
}
generate dashboard/x/types.gen.d.ts Dashboard dashboard.json --additional-properties
for kind in barchart bargauge stat table timeseries; do
    generate "composable/$kind/panelcfg/x/types.gen.d.ts" Options "$kind.options.json"
done
for kind in barchart table timeseries; do
    generate "composable/$kind/panelcfg/x/types.gen.d.ts" FieldConfig "$kind.custom.json"
done
