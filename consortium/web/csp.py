"""The content security policy: a table that starts at none and lists what is let in, and why."""

SELF = "'self'"
NONE = "'none'"

DIRECTIVES: dict[str, list[str]] = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    # Bootstrap draws its checkmarks and arrows from data: images in its style sheet.
    "img-src": [SELF, "data:"],
    # htmx fetches parts of pages.
    "connect-src": [SELF],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
    "base-uri": [NONE],
}

# What is not a page runs nothing, wherever a browser may open it.
API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
