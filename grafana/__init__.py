"""The Grafana dashboards, as code: `make dashboards` writes grafana/dashboards/*.json, and a test holds them equal."""
