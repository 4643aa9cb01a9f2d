# Sourced by the findings that need a Triton server: installs the one of the nvidia-pytriton 0.7.0 wheel (Triton 2.51.0)
# in a temporary folder and serves a Python model that returns each input unchanged. Sets PYTHON and URL, and writes
# $folder/tritonserver, which starts the server with the arguments that it is given. A finding may put models of its own in
# $folder/models and options of the server in TRITON_OPTIONS.
# Needs Python 3.10 to 3.12 with venv and its libpython.
set -euo pipefail
folder="$(mktemp -d)"
server=""
TRITON_OPTIONS=()
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

"${BASE_PYTHON:-python3}" -m venv "$folder/venv"
PYTHON="$folder/venv/bin/python"
"$PYTHON" -m pip install --quiet --disable-pip-version-check 'nvidia-pytriton==0.7.0' 'numpy<2'

write_server() {
    local site triton version
    site="$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    version="$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    triton="$site/pytriton/tritonserver"
    mkdir -p "$folder/backends/python"
    cp -r "$triton/backends/python/." "$folder/backends/python"
    cp "$triton/python_backend_stubs/$version/triton_python_backend_stub" "$folder/backends/python"
    cat >"$folder/tritonserver" <<SERVER
#!/bin/sh
PATH="$folder/venv/bin:\$PATH"
LD_LIBRARY_PATH="$site/nvidia_pytriton.libs:$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')"
export PATH LD_LIBRARY_PATH
exec "$triton/bin/tritonserver" --backend-directory "$folder/backends" "\$@"
SERVER
    chmod +x "$folder/tritonserver"
}
write_server

# serve TYPE...: a model `echo` with an optional input and an output of each of these types, served at $URL.
serve() {
    local port model="$folder/models/echo"
    port="$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
    mkdir -p "$model/1"
    cat >"$model/1/model.py" <<'MODEL'
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("OUT" + each.name().removeprefix("IN"), each.as_numpy()) for each in request.inputs()]
            )
            for request in requests
        ]
MODEL
    {
        echo 'backend: "python"'
        for type in "$@"; do
            echo "input { name: \"IN_$type\" data_type: TYPE_$type dims: [ -1 ] optional: true }"
            echo "output { name: \"OUT_$type\" data_type: TYPE_$type dims: [ -1 ] }"
        done
    } >"$model/config.pbtxt"
    "$folder/tritonserver" --model-repository "$folder/models" \
        --http-address 127.0.0.1 --http-port "$port" --allow-grpc false --allow-metrics false "${TRITON_OPTIONS[@]}" \
        >"$folder/triton.log" 2>&1 &
    server=$!
    URL="http://127.0.0.1:$port/v2/models/echo"
    for _ in $(seq 60); do
        "$PYTHON" -c "import urllib.request; urllib.request.urlopen('$URL/ready')" 2>/dev/null && return
        sleep 0.5
    done
    echo "Triton did not become ready:" && tail -n 5 "$folder/triton.log" && exit 1
}
