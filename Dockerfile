# The page and the API, without a model: it comes from the registry at MLFLOW_TRACKING_URI, or from a mounted folder named
# by ESTROFA_MODEL. docs/reading.md shows how to run it.
FROM python:3.11-slim AS build
WORKDIR /build
RUN python -m venv /venv
COPY requirements.txt .
# The CPU build of torch is a tenth of the size of the default one. Build with TORCH_INDEX= to get the default.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN grep '^torch==' requirements.txt > torch.txt \
    && /venv/bin/pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -r torch.txt \
    && /venv/bin/pip install --no-cache-dir -r requirements.txt

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 estrofa
WORKDIR /estrofa
COPY --from=build /venv /venv
COPY params.yaml ./
COPY pipeline pipeline
COPY app app
USER 10001
# Listen on all addresses: only published ports can be reached from outside the container.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ESTROFA_HOST=0.0.0.0 \
    ESTROFA_PORT=8000 \
    ESTROFA_CACHE=/home/estrofa/cache \
    DO_NOT_TRACK=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    HF_HUB_DISABLE_TELEMETRY=1
RUN mkdir "$ESTROFA_CACHE"
VOLUME $ESTROFA_CACHE
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"ESTROFA_PORT\"]}/health')"]
CMD ["python", "-m", "app.server"]
