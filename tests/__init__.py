"""The tests mirror the tree: tests/pipelines/test_verify.py tests pipelines/verify.py."""
