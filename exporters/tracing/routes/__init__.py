"""Routes from a torch module to an ONNX graph; each writes a file that is then compared with torch."""

from exporters.tracing.routes.legacy import by_legacy_exporter
from exporters.tracing.routes.route import BranchFound, Route, RouteFailed
from exporters.tracing.routes.torch_export import by_torch_export

__all__ = ["BranchFound", "Route", "RouteFailed", "by_legacy_exporter", "by_torch_export"]
