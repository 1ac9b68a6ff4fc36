"""Workers of a sandbox, or of a notebook, as a project in files: one folder a Worker.

Floor: export. What `rpclab serve` runs at once, and a note on what Cloudflare would need changed.
"""

from rpclab.export.folder_writing import export
from rpclab.export.project import Project, project_of
from rpclab.export.report import Exported

__all__ = ["Exported", "Project", "export", "project_of"]
