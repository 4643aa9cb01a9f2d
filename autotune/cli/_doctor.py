"""``autotune doctor``: what is here, and what each launch mode lacks."""

from __future__ import annotations

import sys

from autotune.cli import _options as options


def doctor(
    image: options.Image = None,
    triton_path: options.TritonPath = None,
    url: options.Url = None,
    json: options.Json = False,
    config: options.ConfigFile = None,
) -> None:
    """Say what is here (engine, images, GPU, Triton, libpython, shm, CPUs) and what each launch mode lacks."""
    from autotune import api
    from autotune.report import doctor_json, doctor_table

    findings = api.doctor(image=image, triton_path=triton_path, url=url)
    if json:
        sys.stdout.write(doctor_json(findings) + "\n")
    else:
        doctor_table(findings)
