# hicmae on an NVIDIA GPU, from its wheel. Not built by our tests, which have no Docker: tell us if it fails.
# ONNX Runtime needs CUDA 12 and cuDNN 9, which this base image has.
#
#   python -m pip wheel . --no-deps --wheel-dir dist
#   docker build --file docs/docker/cuda.Dockerfile --tag hicmae-cuda .
#   docker run --rm --gpus 1 --read-only --tmpfs /tmp --publish 127.0.0.1:8000:8000 hicmae-cuda
FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv libgl1 libglib2.0-0 \
 && rm -rf /var/lib/apt/lists/*
COPY dist/*.whl /tmp/
RUN python3 -m venv /opt/hicmae \
 && /opt/hicmae/bin/pip install --no-cache-dir "$(echo /tmp/hicmae-*.whl)[serve]" \
 && rm /tmp/*.whl
RUN useradd --create-home hicmae
USER hicmae
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["/opt/hicmae/bin/hicmae", "serve", "--host", "0.0.0.0", "--device", "cuda"]
