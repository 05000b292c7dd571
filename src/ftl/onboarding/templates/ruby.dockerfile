FROM ruby:@version@-slim AS base
ENV RACK_ENV=production APP_ENV=production @deployment@BUNDLE_PATH=/bundle BUNDLE_WITHOUT=development:test
WORKDIR /app
@system_run@

FROM base AS build
@system_build@
COPY @locked@ ./
RUN --mount=type=cache,target=/root/.bundle/cache bundle install && rm -rf /bundle/ruby/*/cache

FROM base
COPY --from=build /bundle /bundle
COPY . .
# Only these folders can be written by the app.
RUN useradd --system --uid 1000 --create-home app && mkdir -p log tmp && chown -R app log tmp
USER app
EXPOSE @port@
@cmd@
