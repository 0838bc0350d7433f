"""Running a service: settings, signals, health, artifacts, the keyed reducer."""
