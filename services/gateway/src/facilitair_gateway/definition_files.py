"""The definition files of an installation, read and checked together."""

from pathlib import Path

from facilitair_llm.catalog import ModelCatalog, load_models
from facilitair_workflows.documents import Documents
from facilitair_workflows.loading import load_directory


def load_definitions(directory: Path) -> tuple[Documents, ModelCatalog]:
    """Workflows, agents and prompts, and the models with those that only agents name.

    Raises CatalogError or DefinitionsError with the faults of all files.
    """
    catalog = load_models(directory / "models")
    documents = load_directory(directory, models=catalog.names)
    named = (model for agent in documents.agents.values() for model in agent.models)
    return documents, catalog.with_named(named)
