"""The container files, read: nobody here can build them, so at least what they say must hold together."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
IMAGES = sorted(path.name for path in DOCKER.glob("Dockerfile.*"))
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
HEAVY = ("torch", "numpy", "opencv", "numba", "scipy", "trimesh", "pycolmap")


def instructions(name: str) -> list[tuple[str, str]]:
    """(INSTRUCTION, arguments), continuation lines joined."""
    text = re.sub(r"\\\n", " ", (DOCKER / name).read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def api_requirements() -> list[str]:
    lines = (DOCKER / "requirements-api.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def installed_with(requirements: list[str]) -> set[str]:
    """Names of these packages and of all that they bring, as far as they are installed here."""
    found: set[str] = set()
    left = [(Requirement(line), "") for line in requirements]
    while left:
        requirement, extra = left.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        wanted = {name, *(f"{name}[{one}]" for one in requirement.extras)}
        if wanted <= found:
            continue
        found |= wanted
        try:
            needs = [Requirement(line) for line in requires(requirement.name) or []]
        except PackageNotFoundError:
            continue
        left += [(need, one) for need in needs for one in ("", *requirement.extras)]
    return {name for name in found if "[" not in name}


def test_there_is_an_image_for_each_kind_of_process() -> None:
    assert IMAGES == ["Dockerfile.api", "Dockerfile.worker-cpu", "Dockerfile.worker-gpu"]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_without_rights_and_says_whether_it_is_well(name: str) -> None:
    last_stage = "\n".join(f"{word} {rest}" for word, rest in instructions(name)).rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER (?!root)\w+", last_stage, re.M)
    assert "HEALTHCHECK" in last_stage
    assert "VOLUME /data" in last_stage
    assert "SNAP6D_DATA=/data" in last_stage


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_copied_and_run_exists(name: str) -> None:
    for word, rest in instructions(name):
        if word == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
        if word in ("CMD", "ENTRYPOINT") and rest.startswith("["):
            command = json.loads(rest)
            if "-m" in command:
                module = command[command.index("-m") + 1].replace(".", "/")
                assert any((ROOT / file).exists() for file in (f"{module}.py", f"{module}/__main__.py")), module


def test_the_api_image_holds_no_torch() -> None:
    text = " ".join(rest for _, rest in instructions("Dockerfile.api"))
    assert "torch" not in text
    assert "-r requirements-api.txt" in text
    assert "--no-deps ." in text
    brought = installed_with(api_requirements())
    assert not [name for name in brought if name.startswith(HEAVY)]


def test_the_api_image_brings_the_console_but_not_what_built_it() -> None:
    console, build, last = "\n".join(f"{word} {rest}" for word, rest in instructions("Dockerfile.api")).split("\nFROM ")
    assert "COPY service/console/package.json service/console/package-lock.json ./\nRUN npm ci" in console, "the locked versions"
    steps = ("COPY service service", "COPY --from=console /console/dist service/console/dist", "--no-deps .")
    assert sorted(steps, key=build.index) == list(steps)
    assert "console" not in last
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"**/node_modules", "service/console/dist"} <= set(ignored), "built in the image, whatever lies here"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["package-data"]["service"] == ["console/dist/*"]


IN_THE_IMAGE = """
import re
import sys
from importlib.metadata import packages_distributions

allowed = {"snap6d", *sys.argv[1].split(",")}
owners = {module: {re.sub("[-_.]+", "-", name).lower() for name in names} for module, names in packages_distributions().items()}

class Missing:
    def find_spec(self, name, path=None, target=None):
        owner = owners.get(name.partition(".")[0])
        if owner and not owner & allowed:
            raise ModuleNotFoundError(f"{name} is not in the API's image", name=name)

sys.meta_path.insert(0, Missing())
import ast, importlib, pkgutil, service
for module in pkgutil.iter_modules(service.__path__):
    loaded = importlib.import_module(f"service.{module.name}")
    for node in ast.walk(ast.parse(open(loaded.__file__).read())):  # what functions import too
        if isinstance(node, ast.ImportFrom):
            importlib.import_module(node.module)
from celery import Celery
from sqlalchemy import create_engine
from service.app import create_app
from service.settings import ServiceSettings
from workers.command.cli import app
create_app(ServiceSettings(broker_url="redis://redis"))
create_engine("postgresql+pg8000://snap6d@postgres/snap6d")
Celery(broker="redis://redis").connection().transport
sys.argv[1:] = ["keys", "make", "--tenant", "lab", "--data", sys.argv[2]]
app()
"""


def test_all_that_the_api_imports_is_in_its_image(tmp_path: Path) -> None:
    """With every other package hidden: each module of the service, the application, the broker's client, and `snap6d keys make`."""
    names = ",".join(installed_with(api_requirements()))
    said = subprocess.run([sys.executable, "-c", IN_THE_IMAGE, names, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("s6d_")


def test_there_is_a_service_for_each_part() -> None:
    workers = {"worker-onboard": "cpu", "worker-estimate": "estimate", "worker-gpu": "gpu"}
    assert {*workers, "postgres", "redis", "s3", "s3-bucket", "api"} == set(SERVICES)
    for name, queue in workers.items():
        assert SERVICES[name]["command"] == [queue]
    assert [name for name in SERVICES if "profiles" in SERVICES[name]] == ["worker-gpu"]
    for name in OURS:
        assert (ROOT / SERVICES[name]["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_few_rights_and_limits(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])
    if name == "s3-bucket":  # runs once, to give a folder away
        assert (service["cap_add"], service["restart"]) == (["CHOWN"], "no")
    else:
        assert "cap_add" not in service
        assert name in OURS or service["user"].partition(":")[0] not in ("", "root", "0")
        assert name in OURS or service["healthcheck"]["test"][0] == "CMD"


def test_only_the_api_is_reached_from_this_machine_and_wants_keys() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {"api": ["127.0.0.1:8000:8000"]}
    assert SERVICES["api"]["environment"]["SNAP6D_REQUIRE_KEYS"] == "true"
    assert COMPOSE["networks"]["inside"]["internal"] is True
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    assert outside == {"api", "worker-onboard"}


def test_no_folder_is_shared() -> None:
    mounted = [(name, volume.partition(":")[0]) for name, service in SERVICES.items() for volume in service.get("volumes", [])]
    shared = {"s3-bucket"}
    volumes = [volume for name, volume in mounted if name not in shared]
    assert len(volumes) == len(set(volumes))
    assert set(volumes) == set(COMPOSE["volumes"])
    for name in OURS:
        assert {"SNAP6D_DATABASE_URL", "SNAP6D_BROKER_URL", "SNAP6D_STORAGE_URL"} <= set(SERVICES[name]["environment"])


def test_nothing_starts_without_secrets_of_ones_own() -> None:
    """The example leaves them empty, and compose refuses what is empty; git never sees the real file."""
    text = (DOCKER / "compose.yaml").read_text()
    example = dict(line.split("=", 1) for line in (DOCKER / ".env.example").read_text().splitlines() if re.match(r"[A-Z]", line))
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    assert asked == set(example) == {"POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"}
    assert set(example.values()) == {""}
    assert not re.search(r"(PASSWORD|SECRET\w*|ACCESS_KEY\w*): (?!\$\{\w+:\?)", text)
    for ignored in (".gitignore", ".dockerignore"):
        assert "docker/.env" in (ROOT / ignored).read_text().splitlines()
