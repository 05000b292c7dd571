# The image of FTL's proxy: the server has its layers already.
FROM caddy:2
COPY Caddyfile /etc/caddy/Caddyfile
COPY @root@ /srv
USER 1000
EXPOSE 8080
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile"]
