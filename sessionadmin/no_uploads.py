"""The console takes no files: without this, anybody at the login page could fill the disk with temporary ones."""

from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler


class NoUploads(FileUploadHandler):
    """Refuses a form with a file in it before anything of the file is kept."""

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        """A file begins. Raises RequestDataTooBig, which Django answers with a 400 or 413."""
        raise RequestDataTooBig("The console takes no files.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> NoReturn:
        """Never reached."""
        raise RequestDataTooBig("The console takes no files.")

    def file_complete(self, file_size: int) -> None:
        """No file is ever whole."""
