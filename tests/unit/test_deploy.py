"""How it is deployed: the Dockerfile's lint, the manifests against their schemas. stack/test_image.py has the image."""

import configparser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.conftest import ROOT

MANIFESTS = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "census.yaml").read_text()))
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
DEPLOYMENT, SERVICE, INGRESS, AUTOSCALER, BUDGET = MANIFESTS
CONTAINERS = {one["name"]: one for one in DEPLOYMENT["spec"]["template"]["spec"]["containers"]}
CADDY_NAMES = set(re.findall(r"\{\$([A-Z_]+)", (ROOT / "Caddyfile").read_text()))


def test_the_dockerfile_passes_hadolint():
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_dockerfile_is_what_it_says():
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(stages) == 2
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", stage) for stage in stages), "pinned to a release"
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert "HEALTHCHECK" in DOCKERFILE
    assert 'revision="${DIGEST}"' in DOCKERFILE
    copied = re.search(r"cp -R (.*?)\\\n", (ROOT / "deploy" / "image.sh").read_text())[1].split()
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_a_manifest_fits_its_schema(manifest):
    kubernetes_validate.validate(manifest, "1.33", strict=True)
    broken = json.loads(json.dumps(manifest)) | {"spec": {"nonsense": True}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.33", strict=True)


def test_the_manifests_belong_together():
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    for selector in (DEPLOYMENT["spec"]["selector"]["matchLabels"], SERVICE["spec"]["selector"]):
        assert selector.items() <= labels.items()
    assert BUDGET["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert AUTOSCALER["spec"]["scaleTargetRef"]["name"] == DEPLOYMENT["metadata"]["name"]
    backend = INGRESS["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": SERVICE["metadata"]["name"], "port": {"name": SERVICE["spec"]["ports"][0]["name"]}}
    caddy = {entry["name"]: entry["value"] for entry in CONTAINERS["caddy"]["env"]}
    for name, container in (("UPSTREAMS", "lookups"), ("OPEN_UPSTREAMS", "open")):
        assert caddy[name] == f"127.0.0.1:{CONTAINERS[container]['ports'][0]['containerPort']}"
    assert "deploy/ready.py" in CONTAINERS["lookups"]["readinessProbe"]["exec"]["command"][1]
    for container in CONTAINERS.values():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert DEPLOYMENT["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True


def test_each_server_has_temporary_files_that_can_be_full():
    """On Kubernetes' disk, and in Cloud Run's own /tmp, who writes too much ends the server."""
    cloud_run = yaml.safe_load((ROOT / "deploy" / "cloud-run.yaml").read_text())
    kubernetes = DEPLOYMENT["spec"]["template"]["spec"]
    servers = [(CONTAINERS[name], kubernetes) for name in ("lookups", "open")]
    servers.append((cloud_run["spec"]["template"]["spec"]["containers"][0], cloud_run["spec"]["template"]["spec"]))
    names = []
    for container, pod in servers:
        [name] = [mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == "/tmp"]  # noqa: S108
        [volume] = [volume for volume in pod["volumes"] if volume["name"] == name]
        assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "256Mi"}
        assert container["resources"]["limits"]["memory"] == "1Gi"
        names.append((id(pod), name))
    assert len(set(names)) == len(servers), "each its own"


def test_compose_has_the_same_stack():
    services = COMPOSE["services"]
    caddy = services["caddy"]["environment"]
    workers = (caddy["UPSTREAMS"] + " " + caddy["OPEN_UPSTREAMS"]).split()
    assert {worker.removesuffix(":8001") for worker in workers} == set(services) - {"caddy"}
    for name in set(services) - {"caddy"}:
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    assert set(caddy) <= CADDY_NAMES
    assert {entry["name"] for entry in CONTAINERS["caddy"]["env"]} <= CADDY_NAMES


def test_the_service_starts_what_there_is():
    service = configparser.ConfigParser(interpolation=None)
    service.optionxform = str
    service.read(ROOT / "deploy" / "census.service")
    told = service["Service"]
    python, script, *arguments = told["ExecStart"].split()
    assert python == f"{told['WorkingDirectory']}/.venv/bin/python"
    said = subprocess.run([sys.executable, ROOT / script, "--help"], capture_output=True, text=True, check=True).stdout
    assert {part for part in arguments if part.startswith("-")} <= set(re.findall(r"--[a-z]+", said))
    variables = dict(entry.split("=", 1) for entry in told["Environment"].split())
    assert set(variables) - {"XDG_DATA_HOME", "XDG_CONFIG_HOME"} <= CADDY_NAMES
    assert told["ReadWritePaths"] == told["WorkingDirectory"]
    assert told["ExecReload"].split()[1] == "-HUP"


def test_another_port_is_taken_by_both_servers():
    for target, usual in (("serve", "--port 8001"), ("serve-many", "")):
        for given, wanted in ((["PORT=8123"], "--port 8123"), ([], usual)):
            inner = ("PORT", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # what `make test` hands on to what it runs
            environment = {name: value for name, value in os.environ.items() if name not in inner}
            make = ["make", "--no-print-directory", "--always-make", "--dry-run", target, *given]
            done = subprocess.run(make, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
            last = done.stdout.strip().splitlines()[-1]
            assert last.endswith(wanted), (target, given, last)
            assert wanted or "--port" not in last, (target, given, last)
