FROM node:@version@-slim AS build
WORKDIR /app
@prepare@
COPY @locked@ ./
RUN @cache@ \
    @install@
@copy@
@arguments@
@build@
@prune@

FROM node:@version@-slim
@system_run@
ENV NODE_ENV=production PORT=@port@ PATH=/app/node_modules/.bin:$PATH
WORKDIR /app
COPY --from=build /app ./
@sqlite@
USER node
EXPOSE @port@
@entrypoint@
@cmd@
