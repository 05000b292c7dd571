"""How gunicorn serves the shop. On SIGTERM it takes no new connection and finishes the requests it has."""

bind = "0.0.0.0:8000"
worker_class = "gthread"
workers = 2
threads = 8

# Longer than the proxy keeps an idle connection: the proxy, not the app, decides when one ends, so that it never
# sends a request into a connection that is being closed.
keepalive = 150

# Shorter than `stop_timeout` in ftl.yaml, so that gunicorn itself ends what is stuck.
graceful_timeout = 25

accesslog = "-"
worker_tmp_dir = "/dev/shm"
