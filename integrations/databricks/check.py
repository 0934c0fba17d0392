# Prints the service principal that Databricks sees. See docs/databricks.md.
from databricks.sdk import WorkspaceClient

print(WorkspaceClient().current_user.me().user_name)
