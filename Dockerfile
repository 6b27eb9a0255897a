# syntax=docker/dockerfile:1
# Two stages: uv fills an environment from hashed requirements; the image that runs holds no installer of ours.

FROM python:3.11-slim AS environment
WORKDIR /app
COPY requirements/uv.txt requirements/postgres.txt requirements/
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/uv.txt \
 && python -m venv .venv \
 && uv pip install --no-cache --compile-bytecode --python .venv/bin/python --require-hashes -r requirements/postgres.txt

FROM python:3.11-slim
RUN groupadd --gid 1000 sre && useradd --uid 1000 --gid sre --home-dir /app --no-create-home --shell /usr/sbin/nologin sre
WORKDIR /app
COPY --from=environment /app/.venv .venv
COPY bot bot
COPY tools tools
COPY knowledge knowledge
COPY playbooks playbooks
COPY prompts prompts
COPY foundation foundation
COPY config config
RUN mkdir var && chown sre:sre var
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/app/var/matplotlib \
    API_HOST=0.0.0.0
USER 1000:1000
VOLUME /app/var
EXPOSE 8000 8001
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('API_LIVE_PORT') or 8001}/live\", timeout=4)"]
CMD ["python", "-m", "bot", "run"]
