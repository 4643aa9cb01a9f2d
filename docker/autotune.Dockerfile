# autotune with its embedded Triton server, built by docker/build, which makes the context:
#   wheels/             autotune and its dependencies, so that nothing is downloaded
#   model_repository/   the examples
#   search_spaces/      the search spaces
#
# See docker/compose.yaml for how it is used. Triton's Python backend needs shared memory: --shm-size 1g.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS python
# docker/build's own base has Python; Debian's slim image does not.
RUN if ! ls /usr/lib/*/libpython3.*.so.1.0 >/dev/null 2>&1 || ! command -v python3 >/dev/null; then \
      apt-get update && apt-get install --yes --no-install-recommends python3 libpython3.11 libstdc++6 && \
      rm -rf /var/lib/apt/lists/*; \
    fi

FROM python AS installed
COPY wheels /wheels
# pip runs from its wheel, since the base has no pip. The stubs of other Python versions are removed.
RUN python3 "$(echo /wheels/pip-*.whl)/pip" install --quiet --no-index --find-links /wheels \
      --break-system-packages --root-user-action ignore pip "triton-autotune[service,postgresql]" && \
    find /usr/local -path '*/python_backend_stubs/3.*' -type d \
      ! -name "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" -prune -exec rm -rf {} +

FROM python
COPY --from=installed /usr/local /usr/local
COPY model_repository /workspace/model_repository
COPY search_spaces /workspace/search_spaces
WORKDIR /workspace
# Any user may run it (docker run --user), so files other than the results go to /tmp.
ENV HOME=/tmp PYTHONUNBUFFERED=1
ENTRYPOINT ["autotune"]
CMD ["--help"]
