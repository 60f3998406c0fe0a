"""Metrics, dashboard, alerts and docs/operate.md say the same."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
from pathlib import Path

import yaml
from prometheus_client import REGISTRY

import repondeur.flow
from tests.database import configure

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "repondeur.json"
PARTS = ("_bucket", "_count", "_sum", "_created", "_total")  # of one metric's samples


def ours() -> set[str]:
    """Our metrics, without the endings that the library adds."""
    configure()
    for module in pkgutil.iter_modules(repondeur.flow.__path__, "repondeur.flow."):
        importlib.import_module(module.name)
    importlib.import_module("repondeur.metrics")
    return {metric.name for metric in REGISTRY.collect() if metric.name.startswith("repondeur_")}


def named(text: str) -> set[str]:
    found = set(re.findall(r"\brepondeur_[a-z_]+", text))
    return {re.sub(rf"({'|'.join(PARTS)})$", "", name) for name in found}


def test_each_metric_is_documented_and_no_other() -> None:
    text = (ROOT / "docs" / "operate.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `repondeur_")]
    assert named("\n".join(rows)) == ours()


def test_dashboard_and_alerts_ask_for_metrics_that_exist() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
             for rule in group["rules"]]  # fmt: skip
    asked += [rule["expr"] for rule in rules]
    assert named("\n".join(asked)) <= ours()
    assert named("\n".join(asked)) >= ours() - {"repondeur_routed"}


def test_what_units_name_as_documentation_is_installed(tmp_path: Path) -> None:
    """The lines of install.sh that fill share/, run into another folder."""
    lines = (ROOT / "deploy" / "install.sh").read_text("utf-8").splitlines()
    script = "\n".join(line for line in lines if "$new/share" in line)
    env = {"PATH": "/usr/bin:/bin", "here": str(ROOT / "deploy"), "new": str(tmp_path)}
    subprocess.run(["sh", "-euc", script], env=env, check=True)
    named = [
        page.removeprefix("file:/opt/repondeur/")
        for unit in (ROOT / "deploy" / "systemd").iterdir()
        for page in re.findall(r"^Documentation=(.*)$", unit.read_text("utf-8"), re.MULTILINE)
    ]
    assert named == ["share/docs/operate.md"]
    assert (tmp_path / named[0]).is_file()


def test_install_leaves_nothing_out() -> None:
    text = (ROOT / "deploy" / "install.sh").read_text("utf-8")
    there = {path.name for path in (ROOT / "deploy").iterdir()} - {"install.sh", "Containerfile"}
    there |= {path.name for path in (ROOT / "deploy" / "systemd").iterdir()} - {"systemd"}
    assert {name for name in there if f"/{name}" not in text} == set()


def test_each_alert_is_documented() -> None:
    text = (ROOT / "docs" / "operate.md").read_text("utf-8")
    alerts = set(re.findall(r"- alert: (\w+)", ALERTS.read_text("utf-8")))
    assert set(re.findall(r"^\| `(Repondeur\w+)`", text, re.MULTILINE)) == alerts
