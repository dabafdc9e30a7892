#!/usr/bin/env bash
# Every picture of the README and the docs, from this commit:  make pictures
# An argument names another folder than docs/images. made.json beside them says of which commit they are, when they were
# made and how long that took. (`wam report` and `wam study` draw their own.)
set -euo pipefail
out="${1:-docs/images}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
commit="$(git rev-parse HEAD)"
git diff --quiet HEAD -- . ":!$out" || commit="$commit, changed"

wam eval model:=fast_wam tasks:=reach,push,drawer episodes:=10 --futures picture:="$work/imagined.png"
mv "$work/imagined_push.png" "$out/imagined.png"
wam demo episodes:=1 tasks:=push seeds:=7 out:="$work/demo" || echo "the episode failed, and its picture shows it"
wam film "$work/demo/recordings/push_7.mcap" --out "$out/film.png"
wam bench surprise seed:=100 episodes:=12 out:="$out/surprise.png" overlay:="$out/surprise_where.png"
wam bench curve measured:=checkpoints/fast_wam/curve.json plot:="$out/curve.png"
for task in reach push drawer pick_place; do
  wam collect task:=$task episodes:=3 out:="$work/set/$task"
done
wam data "$work/set" --pictures "$out/set.png"

printf '{\n "commit": "%s",\n "made": "%s",\n "minutes": %d\n}\n' \
  "$commit" "$(date -u +%Y-%m-%dT%H:%MZ)" $((SECONDS / 60)) > "$out/made.json"
