"""Verbs on models and settings: train, model list, model info, config show, config schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

model_app = typer.Typer(help="Model bundles at hand.", no_args_is_help=True)
config_app = typer.Typer(help="The configuration of a run.", no_args_is_help=True)


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML configuration.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the bundle.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
) -> None:
    """Train a model. The same line again resumes."""
    from histoscore.models.cores import leave_cores_to_networks, reuse_memory
    from histoscore.models.train import train_from_config

    reuse_memory()
    leave_cores_to_networks()
    bundle = train_from_config(config, out, typer.echo, overrides or [])
    typer.echo(f"the model bundle lies in {bundle}")


@model_app.command("list")
def list_models() -> None:
    """List the bundles that come with histoscore."""
    from histoscore.models.bundle import list_bundles

    for bundle in list_bundles():
        typer.echo(bundle.name)


@model_app.command("info")
def model_info(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A bundle's name, or its folder.")],
) -> None:
    """Show a bundle's card: what it was trained on, and where it fails."""
    from histoscore.models.bundle import find_bundle

    typer.echo(find_bundle(name).card)


@config_app.command("show")
def show(
    config: Annotated[Path | None, typer.Option("--config", help="YAML configuration.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
) -> None:
    """Print the effective configuration as YAML."""
    import yaml

    from histoscore.config import load_config

    data = load_config(config, overrides or []).model_dump(mode="json")
    typer.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)


@config_app.command("schema")
def schema() -> None:
    """Print the configuration's JSON schema, for editors."""
    from histoscore.config import ScoreConfig
    from histoscore.files import json_text

    typer.echo(json_text(ScoreConfig.model_json_schema(), indent=2))
