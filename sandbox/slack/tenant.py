"""What kind of Slack a team may have: options that change what the app is told and allowed.

*Grid*: the workspace is one of several of an organisation; people have a home in one of them.
*distributed*: the app was installed from elsewhere than the Marketplace and the team's own making.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tenant:
    """Both are off: one workspace, and an app the team made itself."""

    grid: bool = False
    distributed: bool = False


ONE_WORKSPACE = Tenant()
