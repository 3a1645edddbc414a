"""Search: what a record is found by (`extract`), and how a search becomes SQL (`compile_search`).

Free of Django and of any connection: the gate executes what is compiled here.
"""

from .compile import Ignored, Page, SearchPlan, compile_search
from .cursor import CURSOR_PARAMETER, Paging
from .errors import SearchError
from .extract import Extracted, extract, warm_up
from .includes import COLUMNS, MAX_INCLUDED
from .parameters import UNSUPPORTED, Parameter, parameters, resource_parameters
from .statement import Permitted, Statement

__all__ = [
    "COLUMNS",
    "CURSOR_PARAMETER",
    "MAX_INCLUDED",
    "UNSUPPORTED",
    "Extracted",
    "Ignored",
    "Page",
    "Paging",
    "Parameter",
    "Permitted",
    "SearchError",
    "SearchPlan",
    "Statement",
    "compile_search",
    "extract",
    "parameters",
    "resource_parameters",
    "warm_up",
]
