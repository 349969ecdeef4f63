"""The command `jiqa demo`."""

from pathlib import Path


def demo(*, output: Path = Path("jiqa-demo"), browser: bool = False) -> int:
    """Score bundled photographs under real distortions and write a page that shows them.

    Args:
        output: Folder for the page.
        browser: Open the page in a browser.
    """
    from jiqa.explain import demo as explain_demo
    from jiqa.scoring import use_compilation_cache

    use_compilation_cache()
    page = explain_demo.run(output)
    print(f"The page is {page}.")
    if browser:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    return 0
