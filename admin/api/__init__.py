"""The admin API over HTTP: resources in the shape that Rancher's clients know."""
