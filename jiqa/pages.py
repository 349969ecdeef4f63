"""HTML pages that open without a network: one frame and one style for all of them.

The templates are in `jiqa/templates`; each page extends `frame.html`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


def load_template(name: str, **filters: Callable[..., Any]) -> "jinja2.Template":
    """The template of a page.

    Args:
        name: Its file.
        **filters: Functions that the template applies, by name.

    Returns:
        The template, which escapes texts.

    Raises:
        ImportError: jinja2 or matplotlib is missing.

    >>> load_template("bench.html").name
    'bench.html'
    """
    try:
        import jinja2
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f"the page needs {error.name}: pip install 'jiqa[report]'") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jiqa"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(name)
