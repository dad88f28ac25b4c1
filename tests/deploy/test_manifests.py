"""The files of `deploy/` name commands, options and settings that exist, and drain before they are cut off."""

import re
from itertools import chain
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from remit.cli.main import app
from remit.config import read_settings
from remit.errors import InvalidSetting

_DEPLOY = Path(__file__).parents[2] / "deploy"
_KUBERNETES = [
    document
    for path in sorted((_DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text("utf-8"))
]
_COMPOSE = yaml.safe_load((_DEPLOY / "compose.yaml").read_text("utf-8"))


def pods():
    return [(one["metadata"]["name"], one["spec"]["template"]["spec"]) for one in _KUBERNETES if one["kind"] in _RUNS]


_RUNS = {"Deployment", "StatefulSet", "Job"}


def containers():
    return [(name, pod, container) for name, pod in pods() for container in pod["containers"]]


def remits():
    """Name, arguments and environment of each container that runs Remit, and how long it may drain."""
    settings = next(one["data"] for one in _KUBERNETES if one["metadata"]["name"] == "remit-settings")
    for name, pod, container in containers():
        if container["image"].startswith("remit"):
            yield f"kubernetes {name}", container["args"], settings, pod.get("terminationGracePeriodSeconds", 30)
    for name, service in _COMPOSE["services"].items():
        if service["image"].startswith("remit"):
            grace = int(service.get("stop_grace_period", "10s").removesuffix("s"))
            yield f"compose {name}", service["command"], service["environment"], grace


_REMITS = list(remits())


@pytest.mark.parametrize(("name", "args", "environment", "grace"), _REMITS, ids=[one[0] for one in _REMITS])
def test_what_is_started_exists_and_may_end_its_steps(name, args, environment, grace):
    command = get_command(app).commands[args[0]]
    known = {option: parameter for parameter in command.params for option in parameter.opts}

    for option in (arg for arg in args if arg.startswith("--")):
        assert option in known, name
    if args[0] == "worker":
        assert int(args[args.index("--grace") + 1]) < grace
        assert "--metrics-port" in args
    settings = {key: str(value) for key, value in environment.items() if key.startswith("REMIT_")}
    assert read_settings(settings).temporal
    with pytest.raises(InvalidSetting):
        read_settings({**settings, "REMIT_TEMPORAL_TLS": "perhaps"})


def test_each_image_is_a_plain_name_and_no_secret_stands_in_a_file():
    images = [container["image"] for _, _, container in containers()]
    images += [service["image"] for service in _COMPOSE["services"].values()]
    assert all("." not in image.partition("/")[0] for image in images), images
    for one in _KUBERNETES:
        if one["kind"] == "Secret":
            assert all(value.startswith("replace:") for value in one["stringData"].values())


def test_what_a_pod_mounts_and_reads_is_there():
    names = {(one["kind"], one["metadata"]["name"]) for one in _KUBERNETES}
    for name, pod, container in containers():
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        claimed = {
            one["metadata"]["name"]
            for one in chain(
                *(
                    document["spec"].get("volumeClaimTemplates", ())
                    for document in _KUBERNETES
                    if document["kind"] == "StatefulSet"
                )
            )
        }
        assert {mount["name"] for mount in container.get("volumeMounts", ())} <= set(volumes) | claimed, name
        for volume in volumes.values():
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in names
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in names
        for variable in container.get("env", ()):
            if "valueFrom" in variable:
                assert ("Secret", variable["valueFrom"]["secretKeyRef"]["name"]) in names


def test_each_pool_is_scaled_by_what_its_workers_carry():
    scaled = {
        one["spec"]["scaleTargetRef"]["name"]: one for one in _KUBERNETES if one["kind"] == "HorizontalPodAutoscaler"
    }
    workers = {name: pod["containers"][0]["args"] for name, pod in pods() if name.startswith("remit-worker")}
    assert set(scaled) == set(workers)
    for name, one in scaled.items():
        (metric,) = one["spec"]["metrics"]
        slots = int(workers[name][workers[name].index("--at-once") + 1])
        assert metric["pods"]["metric"]["name"] == "remit_worker_missions"
        assert int(metric["pods"]["target"]["averageValue"]) < slots


def test_the_image_is_built_from_what_is_in_the_checkout():
    text = (_DEPLOY / "Dockerfile").read_text("utf-8")
    root = _DEPLOY.parent
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        *sources, _ = line.split()
        assert all((root / source).exists() for source in sources), line
