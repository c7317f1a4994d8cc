"""Refuse uploads, which the console does not need: anybody at the login page could fill the disk with them."""

from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler


class NoUploads(FileUploadHandler):
    """Refuses a form with a file in it before anything of the file is kept."""

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse the file. Raises RequestDataTooBig, which Django answers with status 400 or 413."""
        raise RequestDataTooBig("The console takes no files.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> NoReturn:
        """Refuse the file. Django calls this only after new_file(), which always raises."""
        raise RequestDataTooBig("The console takes no files.")

    def file_complete(self, file_size: int) -> None:
        """Do nothing, since no file is ever complete."""
