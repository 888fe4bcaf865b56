"""A laboratory in the browser: a local page that trains small games with the library itself.

``advlearn lab`` starts it; install ``advlearn[lab]``. Importing this package imports no server.
"""
