FROM node:@version@-slim AS build
WORKDIR /app
@prepare@
COPY @locked@ ./
RUN @cache@ \
    @install@
@copy@
@arguments@
ENV NEXT_TELEMETRY_DISABLED=1
RUN --mount=type=cache,target=/app/@built@/cache @build@

FROM node:@version@-slim
ENV NODE_ENV=production HOSTNAME=0.0.0.0 PORT=@port@ NEXT_TELEMETRY_DISABLED=1
WORKDIR /app
@public@
# The server writes its cache of pages and pictures below @built@.
COPY --from=build --chown=node:node /app/@built@/standalone ./
COPY --from=build --chown=node:node /app/@built@/static ./@built@/static
@migrations@
@sqlite@
USER node
EXPOSE @port@
CMD ["node", "server.js"]
