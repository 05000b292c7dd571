FROM golang:@version@ AS build
WORKDIR /src
COPY @locked@ ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    @compile@ -o @output@ @package@
@sqlite_build@

# Certificates, time zones and a user; no shell.
FROM gcr.io/distroless/static-debian12:nonroot
WORKDIR /app
COPY --from=build @output@ @target@
@assets@
@sqlite@
EXPOSE @port@
CMD ["@program@"]
