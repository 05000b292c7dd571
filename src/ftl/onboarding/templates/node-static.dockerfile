FROM node:@version@-slim AS build
WORKDIR /app
@prepare@
COPY @locked@ ./
RUN @cache@ \
    @install@
@copy@
@arguments@
@build@

# The image of FTL's proxy: the server has its layers already.
FROM caddy:2
COPY Caddyfile /etc/caddy/Caddyfile
COPY --from=build /app/@output@ @root@
USER 1000
EXPOSE 8080
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile"]
