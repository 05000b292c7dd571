FROM python:@version@-slim AS build
@system_build@
ENV PATH=/venv/bin:$PATH @build_env@
WORKDIR /app
@install@

FROM python:@version@-slim
@system_run@
# Logs appear at once; the files of the image belong to root, and the app cannot change them.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
@proxied@
RUN useradd --system --uid 10001 --create-home app
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
@after_copy@
USER app
EXPOSE @port@
@cmd@
