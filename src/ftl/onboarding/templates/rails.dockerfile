FROM ruby:@version@-slim AS base
ENV RAILS_ENV=production @deployment@BUNDLE_PATH=/bundle BUNDLE_WITHOUT=development:test
WORKDIR /rails
@system_run@

FROM base AS build
@system_build@
COPY @locked@ ./
RUN --mount=type=cache,target=/root/.bundle/cache bundle install && rm -rf /bundle/ruby/*/cache
@packages@
COPY . .
@assets@

FROM base
COPY --from=build /bundle /bundle
COPY --from=build /rails /rails
# Only these folders can be written by the app.
RUN useradd --system --uid 1000 --create-home rails \
    && mkdir -p db log storage tmp && chown -R rails db log storage tmp
USER rails
ENV RAILS_LOG_TO_STDOUT=1 RAILS_SERVE_STATIC_FILES=1
EXPOSE @port@
@cmd@
