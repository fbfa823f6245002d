#!/usr/bin/env bash
# Check a machine with a GPU: the CUDA tests, the speed of training and prediction, and a training.
#
#   scripts/gpu_check.sh                                  # tests and speed
#   scripts/gpu_check.sh FACES VOICES FACE_API OUTPUT     # and scripts/train_default.sh with the recipe default-tiny
#   scripts/gpu_check.sh --device cpu --variants nano --batch-size 2   # a dry run
#
# It leaves gpu-check.json and exits with 1 if a part failed. Options: scripts/gpu_check.sh --help
set -euo pipefail
exec "${PYTHON:-python}" "$(realpath "$(dirname "$0")")/gpu_check.py" "$@"
