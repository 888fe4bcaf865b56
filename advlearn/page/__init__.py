"""One self-contained HTML file that plays a recorded run, without a network or a server."""

from advlearn.page.content import Content, Page
from advlearn.page.folder import content_of_folder
from advlearn.page.writing import LARGEST, write_page

__all__ = ["LARGEST", "Content", "Page", "content_of_folder", "write_page"]
