"""The imitated Kubernetes cluster and its API server, strict enough for the real kubectl."""
