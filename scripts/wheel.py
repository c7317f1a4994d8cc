"""Put templates, static files and documents into a wheel: they lie beside the packages here, there in `sessionadmin`.

setuptools calls this (pyproject.toml). Nothing is fetched: the files of others that run in the browser are included
when `python -m scripts.vendor` has fetched them before.
"""

import shutil
import sys
from pathlib import Path

from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("templates", "static", "docs")
DOCUMENTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")  # which /help/ shows beside docs/


class BuildWithPages(build_py):  # type: ignore[misc]  # the package has no types
    """Builds as setuptools does, and adds the files of the pages.

    An editable installation reads them where they are.
    """

    def run(self) -> None:
        """Copy the packages, then the folders."""
        super().run()
        if self.editable_mode:
            return
        for folder in FOLDERS:
            target = Path(self.build_lib) / "sessionadmin" / folder
            shutil.rmtree(target, ignore_errors=True)  # what an earlier build left and is no more
            shutil.copytree(ROOT / folder, target)
        for document in DOCUMENTS:
            shutil.copy(ROOT / document, Path(self.build_lib) / "sessionadmin" / document)
        if not (ROOT / "static" / "vendor").is_dir():
            print(
                "static/vendor is missing: this wheel has neither the terminal in the browser nor the replay of "
                "recordings. Bring them with `python -m scripts.vendor`, then build it again.",
                file=sys.stderr,
            )
