# A server of predictions (`ppi serve`), as a user without rights, on a root file system that may be read-only.
#
#   docker build --tag ppi .
#   docker build --tag ppi:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
#   docker run --read-only --tmpfs /tmp --volume ppi:/data --publish 127.0.0.1:8000:8000 --env PPI_SERVE_TOKEN ppi
#
# docs/guides/serve.md says more.

FROM python:3.11-slim AS build
# Where PyTorch comes from: the build for CPUs, unless another index is given.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/ppi
WORKDIR /source
COPY constraints.txt ./
# A release with a local version, such as 2.13.0+cpu, goes before that of PyPI.
RUN /opt/ppi/bin/pip install --constraint constraints.txt --extra-index-url "$TORCH_INDEX" torch
COPY pyproject.toml README.md LICENSE LICENSE-DATA ./
COPY data_curation data_curation
COPY heads heads
COPY ppi ppi
RUN /opt/ppi/bin/pip install --constraint constraints.txt ".[web]"

FROM python:3.11-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin ppi \
    && install --directory --owner=ppi --group=ppi --mode=0700 /data
COPY --from=build /opt/ppi /opt/ppi
# Nothing is written outside /data and /tmp.
ENV PATH=/opt/ppi/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/tmp/cache \
    HF_HOME=/tmp/huggingface
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["ppi", "serve", "--host", "0.0.0.0", "--port", "8000", "--store", "/data/store", "--jobs", "/data/jobs"]
