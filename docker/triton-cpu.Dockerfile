# Triton Inference Server for CPUs: the server binary of the nvidia-pytriton wheel, its Python backend, and
# ONNX models through the onnxruntime package. Built by docker/build, which makes the context:
#   wheels/    every Python package, so that nothing is downloaded
#   backends/  autotune/server/backends
#
# It has the layout of NVIDIA's image and is used in the same way:
#   docker run --rm -v "$PWD/model_repository:/models:ro" autotune-triton:cpu tritonserver --model-repository=/models
# Packages for your own Python models: FROM autotune-triton:cpu, then RUN pip install ..., then --image.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS python
# docker/build's own base has Python; Debian's slim image does not.
RUN if ! ls /usr/lib/*/libpython3.*.so.1.0 >/dev/null 2>&1 || ! command -v python3 >/dev/null; then \
      apt-get update && apt-get install --yes --no-install-recommends python3 libpython3.11 libstdc++6 && \
      rm -rf /var/lib/apt/lists/*; \
    fi

FROM python AS installed
COPY wheels /wheels
# pip runs from its wheel, since the base has no pip. It compiles the packages, or every container would at its start.
# The server's wheel is installed without the dependencies of its Python API.
RUN python3 "$(echo /wheels/pip-*.whl)/pip" install --quiet --no-index --find-links /wheels \
      --break-system-packages --root-user-action ignore pip numpy onnxruntime && \
    python3 -m pip install --quiet --no-index --find-links /wheels --no-compile --no-deps \
      --root-user-action ignore --target /server nvidia-pytriton
COPY backends /opt/tritonserver/backends
RUN set -e; \
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
    server=/server/pytriton/tritonserver; \
    mkdir -p /opt/tritonserver/bin; \
    mv $server/bin/tritonserver /opt/tritonserver/bin/; \
    mv $server/backends/python /opt/tritonserver/backends/; \
    mv $server/python_backend_stubs/$version/triton_python_backend_stub /opt/tritonserver/backends/python/; \
    mv $server/caches /opt/tritonserver/; \
    mv /server/nvidia_pytriton.libs /opt/tritonserver/lib; \
    find /opt/tritonserver -name __pycache__ -prune -exec rm -rf {} +

FROM python
COPY --from=installed /usr/local /usr/local
COPY --from=installed /opt/tritonserver /opt/tritonserver
# The version in nvidia-pytriton 0.7.0, in the variable that NVIDIA's image uses.
ENV PATH=/opt/tritonserver/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LD_LIBRARY_PATH=/opt/tritonserver/lib \
    PYTHONUNBUFFERED=1 \
    TRITON_SERVER_VERSION=2.51.0
RUN useradd --uid 1000 --create-home triton-server
USER triton-server
EXPOSE 8000 8001 8002
CMD ["tritonserver", "--help"]
