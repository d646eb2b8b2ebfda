"""What no message, log line or record may show of another's words: tokens, keys, passwords and signatures."""

from __future__ import annotations

import re

# In a query, in JSON (escaped too), in a connection string, in a header.
NAMES = (
    r"sig|signature|password|passwd|pwd|token|(?:access|refresh|id)_?token|client_?secret|client_assertion|"
    r"(?:account|primary|secondary|shared_?access|api[-_]?|subscription[-_]?)_?key|shared_?access_?signature"
)
SCHEME = r"(?:(?:Basic|Bearer|SharedKey|SharedKeyLite)\s+)?"
SECRET = re.compile(rf"""(?ix)
    \b(?:{NAMES})(?:\\*["'])?\s*(?:=|:|%3D)\s*(?:\\*["'])?{SCHEME}[^\s&"',;\\]+
    | \bcode=[^\s&"',;]+                            # of a login; `code: 403` is none
    | \bAuthorization\\*["']?\s*[=:]\s*\\*["']?{SCHEME}[^\s"',;\\]+
    | \bBearer\s+[^\s&"',;]+
    | (?<=://)[^/\s:@]*:[^/\s@]+(?=@)               # of an address: user and password
    | \beyJ[\w.-]{{20,}}                            # a JSON web token
    | \b(?:gh[pousr]|github_pat)_\w{{20,}}
    """)


def hidden(text: str) -> str:
    """Return a text without what is secret in it; its lines and spaces stay."""
    return SECRET.sub("[hidden]", text)
