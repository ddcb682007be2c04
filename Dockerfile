# syntax=docker/dockerfile:1
# A server of rooms (docs/server.md). On a CPU:      docker build -t livemerc .
# Whisper on an NVIDIA GPU, too:                     docker build --build-arg EXTRAS=cuda -t livemerc .
# Then:   docker run -p 127.0.0.1:8765:8765 -v "$PWD/token:/run/token:ro" livemerc
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

ARG EXTRAS=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 OMP_WAIT_POLICY=PASSIVE

WORKDIR /opt/livemerc
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY livemerc livemerc
COPY trainer trainer
RUN python -m pip install -c constraints.txt ".${EXTRAS:+[$EXTRAS]}"

# nothing of it needs to be root, and nothing is written but with --record
RUN useradd --create-home --uid 10001 listener
USER listener
WORKDIR /home/listener

EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8765/health', timeout=4)"]
# The container's port is published by whoever runs it; TLS is given here, or by a proxy in front.
ENTRYPOINT ["livemerc", "serve", "--host", "0.0.0.0", "--port", "8765", "--token", "@/run/token"]
CMD ["--without-tls"]
