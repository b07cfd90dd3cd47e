"""Tests of the access log, the recorder and the usage."""
