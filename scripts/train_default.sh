#!/usr/bin/env bash
# Train the bundled default from drawn people, photographs of real faces and real voices.
#
#   scripts/train_default.sh FACES VOICES OUTPUT [--review FILE.csv] [--face-api FILE.csv] [finetune options]
#
# FACES has manifest.csv (file,label,group,source) and crops.tar or the crops; VOICES is a folder of EmoDB's files.
# --review: CSV with file,verdict; pictures that a reader called wrong are not learned from.
# --face-api: what `scripts/score_peers.py face-api` wrote; the teacher of the photographs.
# --recipe: instead of default-nano; also names the weight, hicmae-nano.safetensors.
# Other options go to `hicmae finetune`, for example `--seed 1`, or on a GPU
# `--recipe default-tiny --device cuda --mixed-precision bf16`.
# Every step continues where it was stopped. On 2 cores the training takes about two hours, the rest half an hour.
set -euo pipefail

faces=$(realpath "$1") voices=$(realpath "$2") output=$3
shift 3
review="" teacher=() options=() recipe=default-nano
while [ $# -gt 0 ]; do
  case "$1" in
    --review) review=$(realpath "$2"); shift 2 ;;
    --face-api) teacher=(--faces "photos=$(realpath "$2")"); shift 2 ;;
    --recipe) recipe=$2; shift 2 ;;
    *) options+=("$1"); shift ;;
  esac
done
case "$recipe" in *.toml) recipe=$(realpath "$recipe") ;; esac
name=$(basename "$recipe" .toml)
scripts=$(realpath "$(dirname "$0")")
mkdir -p "$output"
cd "$output"
# Run a step, and print how long it took.
step() {
  local start=$SECONDS
  "$@"
  echo "$(basename "$1") $(basename "$2"): took $((SECONDS - start)) s"
}

six=anger,disgust,fear,happiness,neutral,sadness

[ -e puppets/manifest.csv ] || step hicmae puppets make puppets
if [ ! -e photos/photos.csv ]; then
  step python "$scripts/deal_photos.py" "$faces" --output pictures ${review:+--review "$review"}
  step hicmae prepare photos --root pictures/manifest.csv --output photos
fi
[ -e emodb/emodb.csv ] || step hicmae prepare emodb --root "$voices" --output emodb
[ -e varied/manifest.csv ] || step python "$scripts/vary_voices.py" emodb/emodb.csv --labels "$six" --output varied
[ -e mixed.csv ] || step hicmae merge photos=photos/photos.csv emodb=varied/manifest.csv puppets=puppets/manifest.csv \
  --labels "$six" --drop photos:disgust --drop photos:fear --output mixed.csv
[ -e cues.csv ] || step hicmae cues mixed.csv --output cues.csv
[ -e taught.csv ] || step python "$scripts/add_teachers.py" cues.csv --output taught.csv --voices emodb "${teacher[@]}"
step hicmae finetune --manifest taught.csv --recipe "$recipe" --output run "${options[@]}"
step hicmae weights calibrate run --manifest taught.csv --output "hicmae-${name#default-}.safetensors"
