"""The scheduler: which node runs a pod. Decisions are pure functions over columns; see README.md."""
