FROM dunglas/frankenphp:1-php@version@ AS base
WORKDIR /app
RUN install-php-extensions @extensions@

FROM base AS build
COPY --from=composer:2 /usr/bin/composer /usr/bin/composer
COPY @locked@ ./
RUN --mount=type=cache,target=/root/.composer/cache \
    composer install --no-dev --no-scripts --no-autoloader --no-interaction --prefer-dist
@packages@
COPY . .
RUN composer dump-autoload --no-dev --classmap-authoritative
@assets@
@link@

FROM base
ENV APP_ENV=production LOG_CHANNEL=stderr SERVER_NAME=:8000 XDG_CONFIG_HOME=/tmp XDG_DATA_HOME=/tmp
RUN useradd --system --uid 10001 --create-home app
COPY --from=build --chown=app:app /app ./
USER app
EXPOSE 8000
CMD ["frankenphp", "php-server", "--root", "public/", "--listen", ":8000"]
