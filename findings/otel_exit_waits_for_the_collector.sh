#!/bin/bash
# A program with one span takes 7 to 10 s to exit where no collector answers, 13 to 20 s with metrics too.
#
# Versions: opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http 1.45.2 (PyPI), Python 3.11.
#
# Behaviour: with the SDK's defaults nothing is noticed while the program works. At its end the exporter
# retries within its timeout of 10 s, for traces and then again for metrics and logs; that the
# connection is refused at once makes little difference. Each command of an agent that traces itself
# is slower by that, and so is the end of an MCP server on stdio, whose client may wait less and kill
# it. `OTEL_EXPORTER_OTLP_TIMEOUT=1` (in Python: seconds) shortens it. With a collector in good health
# a burst loses spans as well: what the queue of 2,048 does not hold is dropped, and one line of log,
# without a number, stands for all of them.
#
# Seen on 2026-11-29:
#   no collector,     traces                     exit after 5 to 11 s
#   no collector,     traces, metrics, logs      exit after 11 to 22 s
#   silent collector, traces                     exit after 5 to 11 s
#   silent collector, traces, metrics, logs      exit after 11 to 22 s
#   silent collector, traces, timeout of 1 s     exit after 0 to 5 s
#   20,000 spans at once, good collector: some lost, 1 warning
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${collector:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check opentelemetry-sdk==1.45.2 \
  opentelemetry-exporter-otlp-proto-http==1.45.2

# On its first port it accepts and stays silent, on the second it counts spans; the third is closed.
cat > collector.py <<'PYTHON'
import gzip
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

count = 0

class Collector(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        global count
        body = self.rfile.read(int(self.headers["content-length"]))
        body = gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            count += sum(len(scope.spans) for scope in resource.scope_spans)
        open("count", "w").write(str(count))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

silent = socket.create_server(("127.0.0.1", 0), backlog=64)
server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
closed = socket.create_server(("127.0.0.1", 0))
ports = [silent.getsockname()[1], server.server_port, closed.getsockname()[1]]
closed.close()
open("ports", "w").write(" ".join(map(str, ports)) + "\n")
server.serve_forever()
PYTHON
py/bin/python collector.py & collector=$!
until [ -s ports ]; do kill -0 "$collector"; sleep 0.1; done
read -r silent good closed < ports

cat > program.py <<'PYTHON'
import sys
from pathlib import Path
import time
from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

signals, count = sys.argv[1], int(sys.argv[2])
tracers = TracerProvider()
tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(tracers)
if signals == "all":
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
    metrics.get_meter("program").create_counter("calls").add(1)
    loggers = LoggerProvider()
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(loggers)
    loggers.get_logger("program").emit(LogRecord(body="called", timestamp=1))
for _ in range(count):
    with trace.get_tracer("program").start_as_current_span("call"):
        pass
Path(sys.argv[3]).write_text(str(time.time()))
PYTHON

exits() {  # WHAT PORT SIGNALS [VARIABLE=VALUE]
  local name=${1//[ ,]/_} took
  env OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$2" ${4:+"$4"} \
    py/bin/python program.py "$3" 1 "$name.end" > "$name.log" 2>&1
  took=$(python3 -c "import sys, time; s = time.time() - float(open(sys.argv[1]).read())
print('0 to 5' if s < 5 else '5 to 11' if s < 11 else '11 to 22' if s < 22 else 'more than 22')" "$name.end")
  printf '%-44s exit after %s s\n' "$1" "$took"
}
exits "no collector,     traces" "$closed" traces > 1 & runs=($!)
exits "no collector,     traces, metrics, logs" "$closed" all > 2 & runs+=($!)
exits "silent collector, traces" "$silent" traces > 3 & runs+=($!)
exits "silent collector, traces, metrics, logs" "$silent" all > 4 & runs+=($!)
exits "silent collector, traces, timeout of 1 s" "$silent" traces OTEL_EXPORTER_OTLP_TIMEOUT=1 > 5 & runs+=($!)
wait "${runs[@]}"
OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$good" py/bin/python program.py traces 20000 end > burst 2>&1
lost=$((20000 - $(cat count)))
echo "20,000 spans at once, good collector: $([ "$lost" -gt 0 ] && echo some || echo none) lost, $(wc -l < burst) warning" > 6
echo "lost: $lost" >&2
cat 1 2 3 4 5 6 | tee seen

diff - seen <<'EXPECTED'
no collector,     traces                     exit after 5 to 11 s
no collector,     traces, metrics, logs      exit after 11 to 22 s
silent collector, traces                     exit after 5 to 11 s
silent collector, traces, metrics, logs      exit after 11 to 22 s
silent collector, traces, timeout of 1 s     exit after 0 to 5 s
20,000 spans at once, good collector: some lost, 1 warning
EXPECTED
