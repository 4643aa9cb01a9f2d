"""The service: tuning jobs over HTTP, kept in the database, for teams with tokens.

`create_application` answers requests, `Runner` starts ``autotune run`` for one job after the other. Both meet only in
the database, so that a restart loses nothing.
"""

from autotune.service._application import create_application
from autotune.service._runner import Runner
from autotune.service._serve import serve
from autotune.service._settings import ServiceSettings
from autotune.service._tokens import Scope, Token, Tokens, new_token

__all__ = ["Runner", "Scope", "ServiceSettings", "Token", "Tokens", "create_application", "new_token", "serve"]
