#!/usr/bin/env bash
# Optuna 5.0.0: with GridSampler and ask/tell, `study.tell` raises for the last point of the grid, although the trial is
# stored as complete; asking then goes on with points that were tried.
#
# One would expect `tell` to return, and `ask` to say that the grid is exhausted: `Study.optimize` ends there by itself.
# The sampler calls `Study.stop` after each trial that leaves nothing to try, and that is only allowed in `optimize`. Who
# takes the exception for a failed `tell` and tells again gets a second error, or counts the trial twice.
#
# Output seen:
#   tell 0: returned
#   tell 1: RuntimeError: `Study.stop` is supposed to be invoked inside an objective function or a callback.
#   tell 2: RuntimeError: `Study.stop` is supposed to be invoked inside an objective function or a callback.
#   complete trials: 3, distinct points: 2
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${BASE_PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'optuna==5.0.0'

"$folder/venv/bin/python" - <<'CHECK'
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(sampler=optuna.samplers.GridSampler({"x": [1, 2]}, seed=0))
seen = []
for number in range(3):
    trial = study.ask()
    trial.suggest_categorical("x", [1, 2])
    try:
        study.tell(trial, 1.0)
        seen.append("returned")
    except RuntimeError as error:
        seen.append(f"RuntimeError: {error}")
    print(f"tell {number}: {seen[-1]}")
complete = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
points = {trial.params["x"] for trial in complete}
print(f"complete trials: {len(complete)}, distinct points: {len(points)}")
same = seen[0] == "returned" and all("Study.stop" in each for each in seen[1:]) and (len(complete), len(points)) == (3, 2)
sys.exit(0 if same else "the behaviour changed")
CHECK
