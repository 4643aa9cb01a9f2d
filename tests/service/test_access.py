"""Who sees and does what."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from served_jobs import OPTIONS, REPOSITORY, Service, make_service

from autotune.cli import main
from autotune.cli._serve import REQUEST
from autotune.errors import UsageError
from autotune.request import RunRequest, options_of
from autotune.request._executor import ExecutorRequest
from autotune.request._server import ServerRequest
from autotune.service import Scope, Tokens, new_token
from autotune.service._job_options import JOB_OPTIONS
from autotune.service._lock import only_service
from autotune.store import JobState

JOB = {"repository": "models", "options": OPTIONS}
ROUTES = ("", "/events", "/result", "/config", "/report")


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return make_service(tmp_path)


def test_every_route_needs_a_token(service: Service) -> None:
    client = service.client()
    name = service.client("alice").post("/v1/jobs", json=JOB).json()["name"]
    paths = ["/v1/repositories", "/v1/jobs", "/metrics", "/dashboard/", "/api/studies"]
    for path in [*paths, *(f"/v1/jobs/{name}{route}" for route in ROUTES)]:
        assert client.get(path).status_code == 401, path
        assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401, path
    assert client.post("/v1/jobs", json=JOB).status_code == 401
    assert client.get("/v1/jobs").headers["www-authenticate"] == "Bearer"


def test_another_tenant_sees_nothing(service: Service) -> None:
    name = service.client("alice").post("/v1/jobs", json=JOB).json()["name"]
    bob = service.client("bob")
    assert bob.get("/v1/jobs").json() == {"jobs": []}
    assert {bob.get(f"/v1/jobs/{name}{route}").status_code for route in ROUTES} == {404}
    assert bob.post(f"/v1/jobs/{name}/cancel").status_code == 404
    assert bob.get("/dashboard/").status_code == 403
    assert [job["name"] for job in service.client("reader").get("/v1/jobs").json()["jobs"]] == [name]
    assert [job["name"] for job in service.client("root").get("/v1/jobs").json()["jobs"]] == [name]


def test_scope_is_named_where_it_lacks(service: Service) -> None:
    answer = service.client("reader").post("/v1/jobs", json=JOB)
    assert (answer.status_code, answer.json()["detail"]) == (403, "token 'reader' lacks the scope 'submit'")
    assert service.client("alice").get("/metrics").status_code == 403
    assert 'autotune_jobs{state="queued"} 0.0' in service.client("prometheus").get("/metrics").text


def test_login_sets_a_cookie_that_scripts_cannot_read(service: Service) -> None:
    client = service.client()
    assert "Log in" in client.get("/").text
    refused = client.post("/login", data={"token": "wrong"}, follow_redirects=False)
    assert refused.headers["location"] == "/?refused"
    client.post("/login", data={"token": service.secrets["alice"]})
    assert "New job" in client.get("/").text
    assert client.get("/v1/jobs").status_code == 200
    cookie = (
        client.post("/login", data={"token": service.secrets["alice"]}, follow_redirects=False)
        .headers["set-cookie"]
        .lower()
    )
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    client.post("/logout")
    assert client.get("/v1/jobs").status_code == 401


def test_admin_reads_the_dashboard_and_changes_nothing(service: Service) -> None:
    root = service.client("root")
    service.settings.store.optuna_storage()
    assert root.get("/api/studies").status_code == 200
    assert root.post("/api/studies", json={"study_name": "x", "directions": ["maximize"]}).status_code == 403


def test_body_and_requests_are_limited(tmp_path: Path) -> None:
    service = make_service(tmp_path, most_requests_per_minute=3, most_body_bytes=1000)
    alice = service.client("alice")
    long = {"repository": "models", "options": {"model": "x" * 2000}}
    assert alice.post("/v1/jobs", json=long).status_code == 413
    statuses = [alice.get("/v1/jobs").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert service.client("bob").get("/v1/jobs").status_code == 200


def test_guesses_of_one_address_are_limited_together(tmp_path: Path) -> None:
    service = make_service(tmp_path, most_requests_per_minute=3)
    client = service.client()
    guesses = [client.get("/v1/jobs", headers={"Authorization": f"Bearer guess{number}"}) for number in range(4)]
    assert [each.status_code for each in guesses] == [401, 401, 401, 429]
    assert service.client("alice").get("/v1/jobs").status_code == 200


def test_tenant_has_a_limit_of_unfinished_jobs(tmp_path: Path) -> None:
    service = make_service(tmp_path, most_unfinished=2)
    alice = service.client("alice")
    statuses = [alice.post("/v1/jobs", json=JOB).status_code for _ in range(3)]
    assert statuses == [201, 201, 429]
    assert service.client("bob").post("/v1/jobs", json=JOB).status_code == 201


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "mnist"}, "--p99"),
        ({"model": "nothing", "p99": "5ms"}, "nothing"),
        ({"model": "mnist", "p99": "fast"}, "p99"),
        ({"model": "mnist", "p99": "5ms", "results": "elsewhere"}, "'results' is not an option of a job"),
        ({"model": "mnist", "p99": "5ms", "triton-arg": "--x"}, "'triton-arg' is not an option of a job"),
        ({"model": "mnist", "p99": "5ms", "trials": "many"}, "trials: 'many' is not a number"),
        ({"model": "mnist", "p99": "5ms", "trials": 0}, "--trials: 0 is out of range"),
        ({"model": "mnist", "p99": "5ms", "rate": 5, "min-throughput": 6}, "min-throughput: is given twice"),
        ({"model": "mnist", "p99": ["5ms"]}, "p99: expected one value, found a list"),
        ({"model": "mnist", "p99": "5ms", "cold-start": "yes"}, "cold-start: expected true or false"),
    ],
)
def test_wrong_job_is_refused_in_one_line(service: Service, options: dict[str, object], words: str) -> None:
    answer = service.client("alice").post("/v1/jobs", json={"repository": "models", "options": options})
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]
    assert service.states() == []


@pytest.mark.parametrize(
    ("options", "stored"),
    [
        ({"p99": "5ms", "ceiling": "p99.9=8ms"}, {"p99": "5ms", "ceiling": ["p99.9=8ms"]}),
        (
            {"objective": "goodput", "goodput": "5ms", "rate": 800},
            {"objective": "goodput", "goodput": "5ms", "min-throughput": 800.0},
        ),
        ({"p99": "5ms", "within": "5%", "max-memory": "2g"}, {"p99": "5ms", "within": "5%", "max-memory": "2g"}),
    ],
)
def test_a_job_may_look_for_what_a_run_may(
    service: Service, options: dict[str, object], stored: dict[str, object]
) -> None:
    wanted = {"repository": "models", "options": {"model": "mnist", **options}}
    answer = service.client("alice").post("/v1/jobs", json=wanted)
    assert (answer.status_code, answer.json()["options"]) == (201, {"model": "mnist", **stored})


def test_each_config_of_a_job_is_named_and_served(service: Service) -> None:
    name = service.client("alice").post("/v1/jobs", json=JOB).json()["name"]
    for model in ("a", "b"):
        best = service.settings.directory(name) / "best" / model
        best.mkdir(parents=True)
        (best / "config.pbtxt").write_text(f'name: "{model}"')
    alice = service.client("alice")
    assert alice.get(f"/v1/jobs/{name}").json()["configs"] == []
    service.settings.store.jobs().finish(name, JobState.DONE, "")
    assert alice.get(f"/v1/jobs/{name}").json()["configs"] == ["a", "b"]
    assert alice.get(f"/v1/jobs/{name}/config", params={"model": "b"}).text == 'name: "b"'
    assert alice.get(f"/v1/jobs/{name}/config").json()["detail"] == "say which model: a, b"


def test_what_is_no_option_of_a_job_reaches_the_machine() -> None:
    """A new option of ``run`` is either a job's or the operator's: this fails until somebody decides which."""
    files = {"search_space", "from_model_analyzer", "model_repository", "input_data", "trace", "results", "storage"}
    processes = {"client", "perf_analyzer", "shared_memory", "executor", "share_machine", "mlflow"}
    traces = {"trace_format", "trace_unit"}
    several_studies = {"all", "each", "study"}
    servers = set(options_of(ServerRequest)) | set(options_of(ExecutorRequest))
    operators = files | processes | traces | several_studies | servers
    assert set(options_of(RunRequest)) == set(JOB_OPTIONS) | operators
    assert not set(JOB_OPTIONS) & operators


def test_tokens_file_holds_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    secret = new_token(path, "alice", "search", frozenset({Scope.READ}))
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(UsageError, match="has a token 'alice'"):
        new_token(path, "alice", "search", frozenset({Scope.READ}))
    found = Tokens.load(path).find(secret)
    assert found is not None
    assert found.tenant == "search"


def test_a_second_service_of_the_same_results_is_refused(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would take the runs of the first one for those of a service that was killed, and end them."""
    where = ("--results", str(tmp_path / "results"), "--tokens", str(tmp_path / "tokens.yaml"), "--port", "0")
    with only_service(tmp_path / "results"):
        assert main(["serve", *where, "--repositories", f"models={REPOSITORY}"]) == 2
    assert "--results: another service runs the jobs of " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "allowed"),
    [("launch: embedded", False), ("share-machine: Yes", True), ("launch: remote", True), ("executor: ray", True)],
)
def test_parallel_runs_must_be_allowed_to_share_the_machine(tmp_path: Path, options: str, allowed: bool) -> None:
    """Else all but one are refused by the lock of the machine, and their jobs fail."""
    (tmp_path / "run.yaml").write_text(options)
    request = REQUEST(run_config=str(tmp_path / "run.yaml"), parallel=2)
    refused = pytest.raises(UsageError, match="--parallel: 2 runs would disturb each other")
    with nullcontext() if allowed else refused:
        request.check_parallel(request.run_options())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "holds no token"),
        ("x: 1", "expected a list of tokens"),
        ("- name: a", "token 1: expected the keys"),
        ("- {name: a, tenant: b, scopes: [all], sha256: '%s'}" % ("0" * 64), "scopes is a list of"),
        ("- {name: a, tenant: b, scopes: [read], sha256: secret}", "sha256 is 64 hexadecimal digits"),
        ("- [", "not YAML"),
    ],
)
def test_wrong_tokens_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        Tokens.load(path)
