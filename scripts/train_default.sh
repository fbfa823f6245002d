#!/usr/bin/env bash
# Train the bundled default from drawn people, photographs of real faces and real voices.
#
#   scripts/train_default.sh FACES VOICES FACE_API OUTPUT [--review FILE.csv] [--test-speakers A,B] [--trial]
#     [finetune options]
#
# FACES has manifest.csv (file,label,group,source), crops.tar or the crops, and faces.npz with their landmarks.
# VOICES is a folder of EmoDB's files. FACE_API is the folder package/model of what `npm pack @vladmandic/face-api`
# (MIT) fetches; the expression net in it teaches the faces, as it is and trained on with FACES.
# The step that changes voices needs `pip install pyworld "setuptools<80"`.
# --review: CSV with file,verdict; labels that a reader called wrong are not learned.
# --test-speakers: speakers of VOICES to test on, whose voices the model does not learn from; by default none.
# --trial: take few clips and short trainings, to see in minutes that every step works; the weight is of no use.
# --recipe: instead of default-nano; also names the weight, hicmae-nano.safetensors.
# Other options go to `hicmae finetune`, for example `--seed 1`, or on a GPU
# `--recipe default-tiny --device cuda --mixed-precision bf16`.
# Every step continues where it was stopped, and a finished one is not repeated: other inputs need another OUTPUT. On
# 2 cores the training takes hours, by how fast they are and what else they do (each epoch prints its clips/s).
set -euo pipefail

if [ $# -lt 4 ]; then
  echo "usage: $0 FACES VOICES FACE_API OUTPUT [options]; the first lines of the script explain them" >&2
  exit 2
fi
locate() {
  [ -e "$1" ] || { echo "$1: no such file or folder" >&2; exit 2; }
  realpath "$1"
}
# A command that skipped broken files exits with 1, after it has written its list. The training goes on without them.
writing() {
  local list=$1
  shift
  "$@" || { [ $? -eq 1 ] && [ -e "$list" ]; }
}
faces=$(locate "$1")
voices=$(locate "$2")
face_api=$(locate "$3")
output=$4
shift 4
review="" tested="" trial="" options=() recipe=default-nano
while [ $# -gt 0 ]; do
  case "$1" in
    --review) review=$(locate "$2"); shift 2 ;;
    --test-speakers) tested=$2; shift 2 ;;
    --trial) trial=yes; shift ;;
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
  "$@" || return
  echo "$(basename "$1") $(basename "$2"): took $((SECONDS - start)) s"
}

six=anger,disgust,fear,happiness,neutral,sadness
# A trial and a whole training do not share clips. As long as there are none, either may begin.
refuse() {
  echo "$output: is of a run $1 --trial; use another OUTPUT" >&2
  exit 2
}
if [ ! -e puppets/manifest.csv ]; then
  rm -f trial
  [ -z "$trial" ] || touch trial
elif [ -e trial ] && [ -z "$trial" ]; then
  refuse with
elif [ ! -e trial ] && [ "$trial" ]; then
  refuse without
fi
puppets=(--train 1840 --validation 80 --test 300) variants=() morphs=() tuning=()
if [ "$trial" ]; then
  puppets=(--train 60 --validation 20 --test 20) variants=(--times 2) morphs=(--count 800 --speaking 200)
  tuning=(--epochs 1)
  options=(--set epochs=2 --set validate_every=2 --set warmup_epochs=0 --set epoch_clips=12800
    ${options[@]+"${options[@]}"})
fi

[ -e puppets/manifest.csv ] || step hicmae puppets make puppets "${puppets[@]}"
if [ ! -e photos/photos.csv ]; then
  step python "$scripts/deal_photos.py" "$faces" --output pictures ${review:+--review "$review"}
  writing photos/photos.csv step hicmae prepare photos --root pictures/manifest.csv --output photos
fi
[ -e emodb/emodb.csv ] || writing emodb/emodb.csv step hicmae prepare emodb --root "$voices" --output emodb
[ -e varied/originals.csv ] || step python "$scripts/vary_voices.py" emodb/emodb.csv --labels "$six" --output varied \
  ${tested:+--test-speakers "$tested"} ${variants[@]+"${variants[@]}"}
[ -e mixed.csv ] || step hicmae merge photos=photos/photos.csv emodb=varied/originals.csv varied=varied/variants.csv \
  puppets=puppets/manifest.csv --labels "$six" --drop photos:disgust --drop photos:fear --output mixed.csv
[ -e cues.csv ] || writing cues.csv step hicmae cues mixed.csv --output cues.csv
[ -e morphs/morphs.csv ] || step python "$scripts/morph_faces.py" "$faces" --cues cues.csv --output morphs \
  ${review:+--review "$review"} ${morphs[@]+"${morphs[@]}"}
[ -e teacher.safetensors ] || step python "$scripts/tune_teacher.py" "$faces" --face-api "$face_api" \
  --output teacher.safetensors ${review:+--review "$review"} ${tuning[@]+"${tuning[@]}"}
[ -e photos-voices-puppets.csv ] || step python "$scripts/judge_faces.py" cues.csv --append morphs/morphs.csv \
  --face-api "$face_api" --tuned teacher.safetensors --output photos-voices-puppets.csv
# Train by a recipe on the whole list: RECIPE OUTPUT [options].
train() {
  step hicmae finetune --manifest photos-voices-puppets.csv --recipe "$1" --output "${@:2}" \
    ${options[@]+"${options[@]}"}
}
if [ "$recipe" = default-nano ]; then
  train default-nano-encoders encoders
  train default-nano-faces video-encoder --init encoders/last.safetensors
  train default-nano-voices audio-encoder --init video-encoder/last.safetensors
  train default-nano run --init audio-encoder/last.safetensors
else
  train "$recipe" run
fi
# The head is fitted again: to photographs, whose classes count nearly alike, to morphs that both teachers are sure are
# angry or sad, and to neutral people who speak. A face counts more than a voice that disagrees.
[ -e refitted.safetensors ] || step python "$scripts/refit_head.py" run photos-voices-puppets.csv \
  --output refitted.safetensors
# Faces and voices get a temperature, both together none: of those, only drawn people are left to fit it on, and it makes
# the error of real pairs larger (docs/studies/default.md, Calibration).
weight="hicmae-${name#default-}.safetensors"
calibrate() {
  step hicmae weights calibrate "$1" --modality "$2" --manifest photos-voices-puppets.csv --output "$weight"
}
calibrate refitted.safetensors video
calibrate "$weight" audio
