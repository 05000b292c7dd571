"""Compose files of different kinds, with the files that they need beside them."""

# ruff: noqa: E501 -- Compose files, a service a line

from __future__ import annotations

BESIDE = {
    "Dockerfile": "FROM scratch\nEXPOSE 7000\n",
    "a/Dockerfile": "FROM scratch\n",
    "b/docker/Dockerfile.prod": "FROM scratch AS run\n",
    "frontend/Dockerfile": "FROM scratch\n",
    "backend/Dockerfile": "FROM scratch\n",
    ".env": "POSTGRES_PASSWORD=secret\nPOSTGRES_USER=u\n",
    "web.env": "W=1\n",
    "db.env": "POSTGRES_DB=x\nPOSTGRES_PASSWORD=y\n",
    "conf.ini": "",
    "cert.pem": "",
    "folder/x": "",
}
"""Files beside each Compose file."""

COMPOSE: dict[str, str] = {
    "web and postgres": """
services:
  web:
    build: .
    ports: ["8000:8000"]
    environment: {DATABASE_URL: "postgres://u:p@db:5432/app"}
    depends_on: [db]
  db:
    image: postgres:16-alpine
    environment: {POSTGRES_PASSWORD: p}
    volumes: [data:/var/lib/postgresql/data]
volumes: {data: }
""",
    "version, networks, restart": """
version: "3.8"
services:
  app:
    container_name: app
    image: ghcr.io/acme/app:1.2
    restart: unless-stopped
    networks: [front]
    ports: ["80:3000"]
    hostname: app
    links: [cache]
  cache: {image: "redis:7", restart: always, networks: [front]}
networks: {front: {driver: bridge}}
""",
    "environment as a list, and variables": """
services:
  web:
    image: nginx:1.27
    ports: ["${PORT:-8080}:80"]
    environment:
      - TOKEN=${TOKEN}
      - PLAIN=a=b
      - FROM_SHELL
      - MONEY=$$5 and $UNSET or ${UNSET:-${OTHER:-x}}
""",
    "healthchecks in all forms": """
services:
  a: {build: ., ports: ["3000:3000"], healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:3000/health"], interval: 30s}}
  b: {build: ., healthcheck: {test: "test -f /tmp/ok", retries: 5, start_period: 1m30s, timeout: 10s}}
  c: {build: ., healthcheck: {test: ["CMD-SHELL", "curl -f http://localhost/ || exit 1"]}}
  d: {build: ., healthcheck: {disable: true}}
  e: {build: ., healthcheck: {test: ["NONE"]}}
  db: {image: "postgres:16", healthcheck: {test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER"], interval: 5s}, environment: {POSTGRES_PASSWORD: x}}
""",
    "anchors and extensions": """
x-env: &env
  LANG: C.UTF-8
x-service: &service
  build: .
  environment:
    <<: *env
    A: "1"
services:
  web: {<<: *service, ports: ["5000:5000"]}
  worker:
    <<: *service
    command: python -m worker
""",
    "ports in all forms": """
services:
  web:
    build: .
    ports:
      - "8000"
      - 127.0.0.1:9000:9000
      - "3000-3002:3000-3002"
      - "6060:6060/udp"
      - target: 8080
        published: "8080"
        protocol: tcp
        mode: host
      - target: 9443
        host_ip: 127.0.0.1
        published: 9443
      - {target: 9444, host_ip: "${ADDRESS:-::1}", published: 9444}
  inner: {build: ., ports: [{target: 5000, host_ip: "::1", published: 5000}]}
""",
    "build in all forms": """
services:
  a: {build: ./a}
  b:
    build:
      context: ./b
      dockerfile: docker/Dockerfile.prod
      target: run
      args: {VERSION: "1", TOKEN: }
      cache_from: [x]
      platforms: [linux/amd64]
      labels: {a: b}
      network: host
  c:
    build: {context: ., dockerfile_inline: "FROM scratch\\n", args: [A=1, B]}
  d: {build: {context: ., platforms: [linux/amd64, linux/arm64], ssh: [default], additional_contexts: {x: y}}, image: acme/d}
""",
    "deploy with replicas and resources": """
services:
  web:
    image: acme/web:1
    expose: ["8080"]
    deploy:
      mode: replicated
      replicas: 3
      resources: {limits: {cpus: "0.50", memory: 512M, pids: 100}, reservations: {memory: 128M}}
      update_config: {parallelism: 1, order: start-first}
      restart_policy: {condition: on-failure}
      placement: {constraints: [node.role == worker]}
      labels: {traefik.enable: "true", "traefik.http.routers.web.rule": "Host(`w.example.org`)"}
""",
    "old limits": """
services:
  web: {image: "acme/web:1", mem_limit: 256m, cpus: 0.5, pids_limit: 50, mem_reservation: 128m, cpu_shares: 512}
""",
    "traefik": """
services:
  traefik:
    image: traefik:v3
    command: [--providers.docker]
    ports: ["80:80", "443:443"]
    volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]
  shop:
    image: acme/shop:1
    labels:
      - traefik.enable=true
      - traefik.http.routers.shop.rule=Host(`shop.example.org`) || Host(`www.example.org`)
      - traefik.http.services.shop.loadbalancer.server.port=3000
  api:
    image: acme/api:1
    labels:
      traefik.http.routers.api.rule: Host(`shop.example.org`) && PathPrefix(`/api`)
      traefik.http.services.api.loadbalancer.server.port: "4000"
""",
    "caddy labels": """
services:
  caddy: {image: "lucaslorentz/caddy-docker-proxy:2.9", ports: ["80:80"]}
  web:
    image: acme/web:1
    labels: {caddy: site.example.org, caddy.reverse_proxy: "{{upstreams 8080}}"}
""",
    "nginx-proxy": """
services:
  nginx-proxy: {image: nginxproxy/nginx-proxy, ports: ["80:80"]}
  acme: {image: nginxproxy/acme-companion}
  blog:
    image: ghost:5
    environment: {VIRTUAL_HOST: blog.example.org, VIRTUAL_PORT: 2368, LETSENCRYPT_HOST: blog.example.org, LETSENCRYPT_EMAIL: me@example.org, url: "https://blog.example.org"}
    volumes: [content:/var/lib/ghost/content]
volumes: {content: {}}
""",
    "wordpress": """
services:
  wordpress:
    image: wordpress:6
    restart: always
    ports: ["8080:80"]
    environment: {WORDPRESS_DB_HOST: db, WORDPRESS_DB_PASSWORD: x}
    volumes: [wp:/var/www/html]
  db:
    image: mysql:8.0
    environment: {MYSQL_DATABASE: wp, MYSQL_ROOT_PASSWORD: x}
    volumes: [db:/var/lib/mysql]
volumes: {wp: , db: }
""",
    "django with celery": """
services:
  web: &web
    build: .
    command: gunicorn app.wsgi -b 0.0.0.0:8000
    env_file: .env
    volumes: [".:/code", static:/static]
    ports: ["8000:8000"]
    depends_on: {db: {condition: service_healthy}, redis: {condition: service_started}, migrate: {condition: service_completed_successfully}}
  migrate: {build: ., command: python manage.py migrate, restart: "no"}
  worker: {<<: *web, command: celery -A app worker, ports: [], depends_on: [web, redis]}
  db: {image: "postgis/postgis:16-3.4", env_file: [.env]}
  redis: {image: "redis:7-alpine"}
volumes: {static: }
""",
    "env files": """
services:
  web: {build: ., env_file: [.env, ./web.env, {path: ./missing.env, required: false}], ports: ["80:80"]}
  db: {image: "postgres:16", env_file: [./db.env]}
""",
    "profiles": """
services:
  web: {build: ., ports: ["80:80"]}
  debug: {image: "busybox:1", profiles: [debug]}
""",
    "extends in one file": """
services:
  base: {build: ., environment: {A: "1", B: "1"}, volumes: [a:/a]}
  web: {extends: {service: base}, environment: {B: "2"}, volumes: [b:/b], ports: ["80:80"]}
  other: {extends: web, ports: ["81:80"]}
volumes: {a: , b: }
""",
    "secrets and configs": """
services:
  web:
    build: {context: ., secrets: [token, {source: cert, target: ca}]}
    secrets: [password, {source: cert, target: /run/cert}]
    configs: [nginx]
secrets: {password: {file: ./password.txt}, token: {environment: TOKEN}, cert: {file: ./cert.pem}}
configs: {nginx: {content: "a"}}
""",
    "volumes in all forms": """
services:
  web:
    image: acme/web:1
    ports: ["80:80"]
    volumes:
      - data:/data
      - ro:/ro:ro,z
      - /srv/uploads:/uploads
      - ./conf.ini:/etc/conf.ini:ro
      - ./folder:/folder
      - ~/home:/home
      - /anonymous
      - {type: volume, source: long, target: /long, volume: {nocopy: true}}
      - {type: bind, source: /etc/hosts, target: /h, read_only: true}
      - {type: tmpfs, target: /tmp/x}
      - {type: npipe, source: x, target: /y}
volumes:
  data: {external: true}
  ro: {name: other}
  long: {driver: local, driver_opts: {type: nfs, o: addr=x, device: ":/x"}}
  unused: {}
""",
    "settings of containers": """
services:
  app:
    image: acme/app:1
    user: "1000:1000"
    working_dir: /srv
    init: true
    read_only: true
    tmpfs: [/run, "/tmp:size=64m"]
    shm_size: 128m
    stop_signal: SIGQUIT
    stop_grace_period: 1m
    cap_add: [NET_ADMIN]
    cap_drop: [ALL]
    sysctls: {net.core.somaxconn: 1024}
    ulimits: {nofile: 65535, nproc: {soft: 100, hard: 200}}
    extra_hosts: ["host.docker.internal:host-gateway", "a=203.0.113.7"]
    logging: {driver: json-file, options: {max-size: 10m}}
    labels: {team: shop}
    devices: ["/dev/ttyUSB0:/dev/ttyUSB0"]
    tty: true
    stdin_open: true
    platform: linux/amd64
    pull_policy: always
""",
    "commands": """
services:
  a: {image: "x:1", command: ["sh", "-c", "echo $$HOME && exec run"], entrypoint: ["/tini", "--"]}
  b: {image: "x:1", command: "sh -c 'a && b'", entrypoint: /run.sh}
  c:
    image: x:1
    command: >
      serve
      --port 80
  d: {image: "x:1", command: [], entrypoint: ""}
  e:
    image: x:1
    command: bash -c "it's ${NAME:-me}"
""",
    "only images": """
services:
  grafana: {image: "grafana/grafana:11.0.0", ports: ["3000:3000"], volumes: [g:/var/lib/grafana]}
  prometheus: {image: "prom/prometheus:v3", ports: ["127.0.0.1:9090:9090"], command: [--config.file=/etc/p.yml]}
volumes: {g: }
""",
    "mail server": """
services:
  mail: {image: "mailserver/docker-mailserver:15", ports: ["25:25", "587:587", "993:993"], hostname: mail.example.org, cap_add: [NET_ADMIN], volumes: [mail:/var/mail]}
volumes: {mail: }
""",
    "dns and udp": """
services:
  pihole: {image: "pihole/pihole:2025.01", ports: ["53:53/tcp", "53:53/udp", "80:80/tcp"], dns: [1.1.1.1], cap_add: [NET_ADMIN]}
""",
    "host network, privileged, docker in docker": """
services:
  dind: {image: "docker:dind", privileged: true, network_mode: host, pid: host, ipc: host, volumes: ["/var/run/docker.sock:/var/run/docker.sock"], security_opt: ["seccomp:unconfined"]}
""",
    "helpers": """
services:
  app: {build: ., ports: ["80:8080"]}
  watchtower: {image: containrrr/watchtower, volumes: ["/var/run/docker.sock:/var/run/docker.sock"]}
  autoheal: {image: "willfarrell/autoheal:1"}
""",
    "names that are not ours": """
name: My_Shop
services:
  Web.App: {build: ., ports: ["80:80"], depends_on: [My-DB]}
  My-DB: {image: "mariadb:11"}
""",
    "frontend, backend, database": """
services:
  frontend: {build: ./frontend, ports: ["3000:80"], depends_on: [backend]}
  backend: {build: ./backend, ports: ["5000:5000"], depends_on: [mongo], environment: {MONGO_URL: "mongodb://mongo/x"}}
  mongo: {image: "mongo:7", ports: ["27017:27017"], volumes: [m:/data/db]}
volumes: {m: }
""",
    "scaled, and a scale of nought": """
services:
  web: {build: ., expose: ["80"], scale: 2}
  idle: {image: "x:1", scale: 0}
  one: {image: "x:1", deploy: {replicas: 1}}
""",
    "replicas with published ports": """
services:
  web: {build: ., ports: ["80:80"], deploy: {replicas: 2}}
  vpn: {image: "vpn:1", ports: ["1194:1194/udp"], deploy: {replicas: 2}}
""",
    "variables without a value in an image": """
services:
  app: {image: "${REGISTRY}/app:${TAG}"}
  web: {build: ., ports: ["80:80"]}
""",
    "unknown keys": """
services:
  web: {build: ., ports: ["80:80"], enviroment: {A: b}, develop: {watch: []}, gpus: all, post_start: [{command: x}], models: [llm], annotations: {a: b}}
models: {llm: {model: x}}
services_x: {}
""",
    "a git context": """
services:
  web: {build: "https://github.com/acme/app.git#main", ports: ["80:80"]}
""",
    "nulls": """
services:
  web: {build: ., ports: , environment: , volumes: , command: , depends_on: , labels: }
volumes:
networks:
""",
    "dependencies with commands": """
services:
  app: {build: ., ports: ["80:80"], depends_on: [redis]}
  redis: {image: "redis:7", command: redis-server --appendonly yes, volumes: [r:/data]}
  minio: {image: minio/minio, command: server /data, ports: ["9000:9000", "9001:9001"], volumes: [mm:/data]}
volumes: {r: , mm: }
""",
    "jobs of ofelia": """
services:
  ofelia: {image: "mcuadros/ofelia:0.3", command: daemon --docker}
  app: {build: ., labels: {ofelia.enabled: "true", ofelia.job-exec.x.schedule: "@daily", ofelia.job-exec.x.command: x}}
""",
    "depends_on with all conditions": """
services:
  web:
    build: .
    ports: ["80:80"]
    depends_on:
      db: {condition: service_healthy, restart: true}
      api: {condition: service_started, required: false}
      gone: {condition: service_healthy, required: false}
  api: {build: ./a, depends_on: {db: {condition: service_healthy}}}
  db: {image: "postgres:16", environment: {POSTGRES_PASSWORD: x}}
""",
    "merge keys of several anchors": """
x-a: &a {environment: {A: "1"}, init: true}
x-b: &b {environment: {B: "2"}, user: "1000"}
x-ports: &ports ["8080:80"]
services:
  web:
    <<: [*a, *b]
    build: .
    ports: *ports
    x-team: shop
""",
    "interpolation with defaults, errors and alternatives": """
services:
  web:
    image: "${REGISTRY:-ghcr.io/acme}/web:${TAG:-1.2}"
    ports: ["${WEB_PORT:-8080}:${APP_PORT:-3000}"]
    environment:
      A: ${A:?it is needed}
      B: ${B?}
      C: ${C:+set}
      D: ${D-}
      E: "${E:-a}b${F:-${G:-c}}"
      PASSWORD: $$ecret
    deploy: {replicas: "${REPLICAS:-2}", resources: {limits: {memory: "${MEMORY:-256m}"}}}
""",
    "env files in the long form": """
services:
  web:
    build: .
    ports: ["80:80"]
    env_file:
      - path: ./web.env
        required: true
        format: raw
      - path: ./override.env
        required: false
""",
    "ports with names and ranges": """
services:
  web:
    build: .
    ports:
      - {name: http, target: 80, published: "8080-8090", app_protocol: http, mode: ingress}
      - "127.0.0.1::5000"
      - "[::1]:6000:6000"
      - 9090:9090/tcp
      - 22
""",
    "healthcheck with start_interval": """
services:
  web:
    build: .
    ports: ["8000:8000"]
    healthcheck: {test: wget -qO- http://127.0.0.1:8000/health || exit 1, interval: 10s, timeout: 2s, retries: 3, start_period: 20s, start_interval: 1s}
  worker:
    build: .
    healthcheck: {test: [CMD-SHELL, "celery -A app inspect ping -d celery@$$HOSTNAME"], interval: 1m}
""",
    "secrets and configs in the long form": """
services:
  db:
    image: postgres:16
    environment: {POSTGRES_PASSWORD_FILE: /run/secrets/password}
    secrets: [{source: password, target: password, uid: "103", mode: 0440}]
  web:
    build: .
    ports: ["80:80"]
    configs: [{source: nginx, target: /etc/nginx/nginx.conf, mode: 0444}]
    secrets: [password]
secrets: {password: {environment: DB_PASSWORD}}
configs: {nginx: {file: ./conf.ini}}
""",
    "a gpu": """
services:
  model:
    image: ollama/ollama:0.3
    ports: ["11434:11434"]
    volumes: [ollama:/root/.ollama]
    runtime: nvidia
    deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]}}}
volumes: {ollama: }
""",
    "network_mode of another service": """
services:
  vpn: {image: "gluetun:3", cap_add: [NET_ADMIN], devices: ["/dev/net/tun:/dev/net/tun"], ports: ["8080:8080"]}
  client: {image: "client:1", network_mode: "service:vpn", volumes: [c:/c]}
volumes: {c: }
""",
    "nextcloud": """
services:
  app:
    image: nextcloud:30-apache
    restart: always
    ports: [8080:80]
    links: [db]
    volumes: [nextcloud:/var/www/html]
    environment: [MYSQL_HOST=db, REDIS_HOST=redis, NEXTCLOUD_TRUSTED_DOMAINS=cloud.example.org]
  cron: {image: "nextcloud:30-apache", restart: always, entrypoint: /cron.sh, volumes: [nextcloud:/var/www/html]}
  db: {image: "mariadb:11", command: --transaction-isolation=READ-COMMITTED --log-bin=binlog, environment: [MYSQL_ROOT_PASSWORD=x], volumes: [db:/var/lib/mysql]}
  redis: {image: "redis:alpine", restart: always}
volumes: {nextcloud: , db: }
""",
    "gitea with ssh": """
services:
  server:
    image: docker.gitea.com/gitea:1.23
    environment: [USER_UID=1000, GITEA__database__DB_TYPE=postgres]
    ports: ["3000:3000", "222:22"]
    volumes: [gitea:/data, /etc/timezone:/etc/timezone:ro, /etc/localtime:/etc/localtime:ro]
    depends_on: [db]
  db: {image: "docker.io/library/postgres:14", restart: always, environment: [POSTGRES_USER=gitea, POSTGRES_PASSWORD=gitea], volumes: [postgres:/var/lib/postgresql/data]}
networks: {gitea: {external: false}}
volumes: {gitea: {driver: local}, postgres: }
""",
    "kafka and elastic": """
services:
  app: {build: ., ports: ["8080:8080"], environment: {KAFKA: "kafka:9092", ES: "http://es:9200"}}
  kafka: {image: "apache/kafka:3.9.0", hostname: kafka, ports: ["9092:9092"], environment: {KAFKA_NODE_ID: 1, KAFKA_PROCESS_ROLES: "broker,controller"}}
  es: {image: "docker.elastic.co/elasticsearch/elasticsearch:8.17.0", environment: [discovery.type=single-node, "ES_JAVA_OPTS=-Xms512m -Xmx512m"], ulimits: {memlock: {soft: -1, hard: -1}}, volumes: [es:/usr/share/elasticsearch/data], ports: ["9200:9200"]}
volumes: {es: }
""",
    "values of other types": """
services:
  web:
    build: {context: ., args: {DEBUG: false, N: 3, RATE: 1.50}}
    ports: [8000:8000]
    environment: {DEBUG: false, N: 3, RATE: 1.50, EMPTY: "", NULL_ONE: null, DATE: 2024-01-02, OCTAL: 0755}
    labels: {number: 3, yes: on}
    mem_limit: 1073741824
    cpus: 1
    stop_grace_period: 90
""",
    "volumes of drivers, and a subpath": """
services:
  web:
    image: acme/web:1
    ports: ["80:80"]
    volumes:
      - {type: volume, source: data, target: /data, volume: {subpath: web}}
      - {type: bind, source: /srv, target: /srv, bind: {create_host_path: true, propagation: rslave}}
      - {type: tmpfs, target: /cache, tmpfs: {size: 64m, mode: 0700}}
      - {type: image, source: acme/assets, target: /assets}
    tmpfs: [/run]
volumes: {data: {driver: rexray/ebs, driver_opts: {size: 10}, labels: {a: b}}}
""",
    "builds with everything": """
services:
  web:
    build:
      context: .
      additional_contexts: {shared: ../shared}
      args: [A, "B=${B:-2}"]
      cache_from: [type=gha]
      cache_to: [type=gha]
      no_cache: true
      pull: true
      ssh: [default]
      tags: [acme/web:1]
      extra_hosts: ["a:1.2.3.4"]
      privileged: true
      entitlements: [security.insecure]
      ulimits: {nofile: 1}
      target: prod
      dockerfile: Dockerfile
      provenance: false
    ports: ["80:80"]
""",
    "one service with a hook and a watch": """
services:
  web:
    build: .
    ports: ["80:80"]
    post_start: [{command: ./seed.sh, user: root}]
    pre_stop: [{command: ./bye.sh}]
    develop: {watch: [{action: sync, path: ., target: /app}]}
    annotations: {a: b}
    attach: false
    logging: {driver: journald}
    oom_score_adj: -500
    userns_mode: host
    pid: host
    group_add: [docker]
    dns: 1.1.1.1
    sysctls: [net.core.somaxconn=1024]
    storage_opt: {size: 1G}
    tmpfs: /tmp
    restart: "on-failure:5"
""",
    "json": '{"services": {"web": {"build": ".", "ports": ["80:8000"], "environment": {"A": 1}}}}',
    "a service called like ours": """
services:
  proxy: {image: "nginx:1.27", ports: ["80:80", "443:443"], volumes: ["./conf.ini:/etc/nginx/conf.d/default.conf:ro", certs:/certs]}
  ftl-web: {build: ., expose: [3000]}
  _x_: {build: ., expose: ["3000/tcp"]}
volumes: {certs: }
""",
    "photos with machine learning on a gpu": """
name: photos
services:
  photos-server:
    container_name: photos_server
    image: ghcr.io/acme/photos-server:${PHOTOS_VERSION:-release}
    volumes: ["${UPLOADS:-./library}:/data", "/etc/localtime:/etc/localtime:ro"]
    env_file: [.env]
    ports: ["2283:2283"]
    depends_on: [redis, database]
    restart: always
    healthcheck: {disable: false}
  photos-learning:
    image: ghcr.io/acme/photos-learning:release
    volumes: [model-cache:/cache]
    deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]}}}
  redis: {image: docker.io/valkey/valkey:8, healthcheck: {test: redis-cli ping || exit 1}}
  database:
    image: ghcr.io/acme/postgres:14-vectors
    environment: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD}", POSTGRES_INITDB_ARGS: --data-checksums}
    command: >-
      postgres
      -c shared_preload_libraries=vectors.so
      -c 'search_path="$$user", public, vectors'
    volumes: ["./postgres:/var/lib/postgresql/data"]
    shm_size: 128mb
volumes:
  model-cache:
""",
    "a social network with search": """
services:
  db: {image: "postgres:14-alpine", shm_size: 256mb, networks: [inside], volumes: ["./postgres14:/var/lib/postgresql/data"], environment: [POSTGRES_HOST_AUTH_METHOD=trust]}
  es:
    image: docker.elastic.co/elasticsearch/elasticsearch:7.17.29
    environment: ["ES_JAVA_OPTS=-Xms512m -Xmx512m", discovery.type=single-node]
    networks: [outside, inside]
    healthcheck: {test: ["CMD-SHELL", "curl --silent --fail localhost:9200/_cluster/health || exit 1"]}
    ulimits: {memlock: {soft: -1, hard: -1}, nofile: {soft: 65536, hard: 65536}}
    ports: ["127.0.0.1:9200:9200"]
  web:
    image: ghcr.io/acme/social:v4
    env_file: web.env
    command: bundle exec puma -C config/puma.rb
    networks: [outside, inside]
    healthcheck: {test: ["CMD-SHELL", "curl -s --noproxy localhost localhost:3000/health | grep -q 'OK' || exit 1"]}
    ports: ["127.0.0.1:3000:3000"]
    volumes: ["./public/system:/social/public/system"]
  streaming: {image: "ghcr.io/acme/social-streaming:v4", env_file: web.env, ports: ["127.0.0.1:4000:4000"]}
  jobs: {image: "ghcr.io/acme/social:v4", command: bundle exec sidekiq, volumes: ["./public/system:/social/public/system"], healthcheck: {test: ["CMD-SHELL", "ps aux | grep '[s]idekiq 7' || false"]}}
networks:
  outside:
  inside: {internal: true}
""",
    "a platform with a gateway, functions and a pooler": """
name: platform
services:
  gateway:
    container_name: platform-gateway
    image: kong:2.8.1
    ports: ["${GATEWAY_PORT:-8000}:8000/tcp", "${GATEWAY_TLS:-8443}:8443/tcp"]
    volumes: ["./conf.ini:/home/kong/temp.yml:ro,z"]
    entrypoint: bash -c 'eval "echo \\"$$(cat ~/temp.yml)\\"" > ~/kong.yml && exec kong docker-start'
  studio:
    image: acme/studio:2025.06
    healthcheck: {test: ["CMD", "node", "-e", "fetch('http://studio:3000/api').then((r) => {if (r.status !== 200) throw new Error(r.status)})"], interval: 5s}
    depends_on: {functions: {condition: service_started, required: false}}
  functions: {image: acme/edge:1, volumes: ["./volumes/functions:/home/deno/functions:Z"], command: [start, --main-service, /home/deno/functions/main]}
  pooler: {image: acme/pooler:2, ports: ["5432:5432", "6543:6543"], command: ["/bin/sh", "-c", "/app/migrate && /app/server"]}
  vector: {image: "timberio/vector:0.28", volumes: ["${SOCKET:-/var/run/docker.sock}:/var/run/docker.sock:ro,z"], security_opt: ["label=disable"]}
""",
    "errors with many consumers": """
x-restart: &restart {restart: unless-stopped, pull_policy: never}
x-check: &check {interval: "${CHECK_INTERVAL:-30s}", timeout: 1m30s, retries: "${CHECK_RETRIES:-10}", start_period: 10s}
x-app: &app
  <<: *restart
  image: errors-self-hosted-local
  platform: ${DOCKER_PLATFORM:-}
  build: {context: ./a, args: [ERRORS_IMAGE]}
  depends_on: {redis: {condition: service_healthy}, smtp: {condition: service_started, required: false}}
  environment: {CA: &ca "/etc/ssl/certs/ca-certificates.crt", REQUESTS_CA_BUNDLE: *ca, MAIL_HOST: , RETENTION: }
  volumes: ["errors-data:/data", "./a:/etc/errors", "./folder:/geoip:ro"]
services:
  smtp: {<<: *restart, image: acme/smtp, hostname: "${MAIL_HOST:-}", volumes: ["errors-smtp:/var/spool/exim4"]}
  redis:
    <<: *restart
    image: "redis:6.2-alpine"
    healthcheck: {<<: *check, test: redis-cli ping | grep PONG}
    volumes: [{type: bind, read_only: true, source: ./conf.ini, target: /usr/local/etc/redis/redis.conf}]
    command: ["redis-server", "/usr/local/etc/redis/redis.conf"]
  kafka: {<<: *restart, image: "confluentinc/cp-kafka:7.6.6", ulimits: {nofile: {soft: 4096, hard: 4096}}, volumes: ["errors-kafka:/var/lib/kafka/data"], healthcheck: {<<: *check, test: ["CMD-SHELL", "nc -z localhost 9092"], retries: 30}}
  web: {<<: *app, healthcheck: {<<: *check, test: ["CMD", "/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9000 && grep ok -s -m 1 <&3"]}}
  cleanup: {<<: *app, entrypoint: /entrypoint.sh, command: '"0 0 * * * errors cleanup --days $RETENTION"'}
  nginx: {<<: *restart, ports: ["${BIND:-9000}:80/tcp"], image: "nginx:1.29-alpine", volumes: [{type: bind, read_only: true, source: ./conf.ini, target: /etc/nginx/nginx.conf}], depends_on: [web]}
volumes: {errors-data: {external: true}, errors-kafka: {external: true}, errors-smtp: }
""",
    "workflows with a common environment": """
x-common: &common
  image: ${WORKFLOW_IMAGE:-acme/workflows:3}
  environment: &env {EXECUTOR: Celery, FERNET: '', PAUSED: 'true', MORE: "${MORE:-}"}
  volumes: ["${PROJECT_DIR:-.}/dags:/opt/workflows/dags", "${PROJECT_DIR:-.}/logs:/opt/workflows/logs"]
  user: "${UID:-50000}:0"
  depends_on: &needs {redis: {condition: service_healthy}}
services:
  redis: {image: "redis:7.2", expose: [6379], healthcheck: {test: ["CMD", "redis-cli", "ping"], interval: 10s}}
  apiserver:
    <<: *common
    command: api-server
    ports: ["8080:8080"]
    healthcheck: {test: ["CMD", "curl", "--fail", "http://localhost:8080/api/v2/version"], interval: 30s}
    depends_on: {<<: *needs, prepare: {condition: service_completed_successfully}}
  worker:
    <<: *common
    command: celery worker
    healthcheck: {test: ["CMD-SHELL", 'celery inspect ping -d "celery@$${HOSTNAME}" || exit 1']}
    environment: {<<: *env, DUMB_INIT_SETSID: "0"}
  prepare:
    <<: *common
    entrypoint: /bin/bash
    command: [-c, 'if [[ -z "${UID}" ]]; then echo "no uid"; fi; exec /entrypoint version']
    user: "0:0"
  cli: {<<: *common, profiles: [debug], command: [bash, -c, workflows]}
""",
    "a development environment of a framework": """
services:
    shop.test:
        build: {context: ./a, dockerfile: Dockerfile, args: {WWWGROUP: '${WWWGROUP:-1000}'}}
        image: 'dev-8.4/app'
        extra_hosts: ['host.docker.internal:host-gateway']
        ports: ['${APP_PORT:-80}:80', '${VITE_PORT:-5173}:${VITE_PORT:-5173}']
        environment: {DEV: 1, DB_HOST: mysql}
        volumes: ['.:/var/www/html']
        networks: [dev]
        depends_on: [mysql, mailpit]
    mysql:
        image: 'mysql/mysql-server:8.0'
        ports: ['${FORWARD_DB_PORT:-3306}:3306']
        environment: {MYSQL_ROOT_HOST: '%', MYSQL_ALLOW_EMPTY_PASSWORD: 1}
        volumes: ['dev-mysql:/var/lib/mysql', './conf.ini:/docker-entrypoint-initdb.d/10-create.sh']
        healthcheck: {test: [CMD, mysqladmin, ping, '-p${POSTGRES_PASSWORD}'], retries: 3, timeout: 5s}
    mailpit: {image: 'axllent/mailpit:latest', ports: ['1025:1025', '8025:8025']}
networks: {dev: {driver: bridge}}
volumes: {dev-mysql: {driver: local}}
""",
    "the home": """
services:
  home: {image: "ghcr.io/acme/home:stable", privileged: true, network_mode: host, volumes: [/srv/home:/config, /run/dbus:/run/dbus:ro]}
  zigbee: {image: acme/zigbee, devices: ["/dev/serial/by-id/usb-x-if00:/dev/ttyACM0"], group_add: [dialout], user: "1000:1000", volumes: ["./z2m:/app/data"], ports: ["8080:8080"]}
  tunnel: {image: acme/tunnel, cap_add: [NET_ADMIN], devices: ["/dev/net/tun:/dev/net/tun"], ports: ["8888:8888/tcp", "8388:8388/udp"], sysctls: {net.ipv4.conf.all.src_valid_mark: 1}}
  inside: {image: acme/torrent, network_mode: "service:tunnel"}
""",
    "all keys that FTL has not": """
services:
  web:
    image: acme/web:3
    ports: ["80:3000"]
    volumes_from: ["other:ro"]
    links: ["other:db"]
    external_links: [mail_1]
    dns_search: example.com
    domainname: example.com
    mac_address: 02:42:ac:11:65:43
    cgroup_parent: m-executor
    cpu_quota: 50000
    cpuset: "0,1"
    oom_kill_disable: true
    ipc: shareable
    uts: host
    blkio_config: {weight: 300}
    device_cgroup_rules: ['c 1:3 mr']
    runtime: runc
    gpus: all
    models: [llm]
    provider: {type: cloud}
    use_api_socket: true
    label_file: ./labels
    mem_reservation: 512m
    cpu_shares: 512
    memswap_limit: -1
    entrypoint: []
  other: {image: acme/other, networks: {n: {ipv4_address: 172.28.0.9, aliases: [o]}}}
models: {llm: {model: ai/x}}
networks: {n: {ipam: {config: [{subnet: 172.28.0.0/16}]}}, theirs: {external: true}}
""",
}
