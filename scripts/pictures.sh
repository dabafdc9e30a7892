#!/usr/bin/env bash
# Every picture of the README and the docs, from this commit:  make pictures  (half an hour on two cores)
# An argument names another folder than docs/images.
set -euo pipefail
out="${1:-docs/images}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

wam eval model:=fast_wam tasks:=reach,push,drawer episodes:=10 --futures picture:="$work/imagined.png"
mv "$work/imagined_push.png" "$out/imagined.png"
wam demo episodes:=1 tasks:=push seeds:=7 out:="$work/demo" || echo "the episode failed, and its picture shows it"
wam film "$work/demo/recordings/push_7.mcap" --out "$out/film.png"
wam bench surprise episodes:=8 out:="$out/surprise.png"
for task in reach push drawer pick_place; do
  wam collect task:=$task episodes:=3 out:="$work/set/$task"
done
wam data "$work/set" --pictures "$out/set.png"
