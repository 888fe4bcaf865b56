"""The version, where files that are written can name it."""

VERSION = "0.2.0"
