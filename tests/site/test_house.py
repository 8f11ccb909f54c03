"""What the README and the deployment say of the site is what it answers."""

import asyncio
import re

import yaml

from tests.conftest import ROOT


def test_cloud_run_asks_what_the_server_answers(extract_site):
    service = yaml.safe_load((ROOT / "deploy" / "cloud-run.yaml").read_text())
    [container] = service["spec"]["template"]["spec"]["containers"]
    assert f"EXPOSE {container['ports'][0]['containerPort']}" in (ROOT / "Dockerfile").read_text()
    for probe in ("startupProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["port"] == container["ports"][0]["containerPort"]
        assert asyncio.run(extract_site.client.get(asked["path"])).status_code == 200


def test_the_readme_s_answer_is_the_real_one(extract_site):
    readme = (ROOT / "README.md").read_text()
    path = re.search(r"curl 'http://127\.0\.0\.1:8001(.+?)'", readme)[1]
    row = asyncio.run(extract_site.client.get(path)).json()[0]
    shown = yaml.safe_load(re.search(r"```json\n(.*?)```", readme, re.DOTALL)[1])
    assert shown
    assert {name: row[name] for name in shown} == shown
