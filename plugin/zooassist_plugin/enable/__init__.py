"""Is a workflow ready to show proposals, and if not, what is missing? Checks as data, repairs."""

from zooassist_plugin.enable.run import EnableReport, Wanted, disable, enable, status
from zooassist_plugin.enable.situation import FLAG, Check

__all__ = ["FLAG", "Check", "EnableReport", "Wanted", "disable", "enable", "status"]
