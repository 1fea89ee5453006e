# Copyright (c) 2026, the llm_d.gke contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set-up of a checkout: everything the sandbox and the tests need, from package registries alone.

Runs on a bare Python (standard library only), shows what it does, and a second run finds everything there:

* ``.venv``: a virtual environment with the pinned Python packages;
* ``.ansible/collections``: this checkout as the collection ``llm_d.gke``, and kubernetes.core;
* ``.tools``: links to the pinned programs, charts and definitions, kept in a cache outside the checkout so that the
  next clone on this machine starts at once.
"""
