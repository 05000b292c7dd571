FROM ruby:@version@-slim AS base
ENV RAILS_ENV=production @deployment@BUNDLE_PATH=/bundle BUNDLE_WITHOUT=development:test
WORKDIR /rails
@system_run@

FROM base AS build
@system_build@
COPY @locked@ ./
RUN --mount=type=cache,target=/root/.bundle/cache bundle install && rm -rf /bundle/ruby/*/cache
@compiled_gems@
@packages@
COPY . .
@compiled_app@
@assets@
RUN mkdir -p tmp/pids && chown -R 1000 tmp

FROM base
RUN useradd --system --uid 1000 --create-home rails \
    && ln -s /usr/lib/*-linux-gnu*/libjemalloc.so.2 /usr/local/lib/libjemalloc.so
COPY --from=build /bundle /bundle
COPY --from=build /rails /rails
# Only these folders and tmp can be written by the app.
RUN mkdir -p db log storage && chown -R rails db log storage
USER rails
ENV RAILS_LOG_TO_STDOUT=1 RAILS_SERVE_STATIC_FILES=1 LD_PRELOAD=/usr/local/lib/libjemalloc.so
EXPOSE @port@
@cmd@
