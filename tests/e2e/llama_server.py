"""llama.cpp's own HTTP server, out of the wheel `xllamacpp`; runs in that wheel's environment.

python llama_server.py MODEL.gguf PORT WINDOW KEY
"""

from __future__ import annotations

import importlib
import signal
import sys


def main() -> None:
    model, port, window, key = sys.argv[1:]
    engine = importlib.import_module("xllamacpp")
    parameters = engine.CommonParams()
    parameters.model.path = model
    parameters.model_alias = {"tiny"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = int(port)
    parameters.n_ctx = int(window)
    parameters.n_parallel = 1
    parameters.api_keys = [key]
    server = engine.Server(parameters)
    print(f"ready at {server.listening_address}", flush=True)  # noqa: T201 - waited for
    signal.pause()


if __name__ == "__main__":
    main()
