# hicmae on the CPU, from its wheel. Not built by our tests, which have no Docker: tell us if it fails.
#
#   python -m pip wheel . --no-deps --wheel-dir dist
#   docker build --file docs/docker/cpu.Dockerfile --tag hicmae .
#   docker run --rm --read-only --tmpfs /tmp --publish 127.0.0.1:8000:8000 hicmae
FROM python:3.12-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
 && rm -rf /var/lib/apt/lists/*
COPY dist/*.whl /tmp/
RUN pip install --no-cache-dir "$(echo /tmp/hicmae-*.whl)[serve]" && rm /tmp/*.whl
RUN useradd --create-home hicmae
USER hicmae
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["hicmae", "serve", "--host", "0.0.0.0"]
