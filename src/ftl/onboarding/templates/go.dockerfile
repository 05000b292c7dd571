FROM golang:@version@ AS build
WORKDIR /src
COPY @locked@ ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/app @package@

# Certificates, time zones and a user; no shell.
FROM gcr.io/distroless/static-debian12:nonroot
WORKDIR /app
COPY --from=build /out/app ./app
@assets@
EXPOSE @port@
CMD ["/app/app"]
