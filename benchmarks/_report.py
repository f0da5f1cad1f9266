"""How results are written down."""


def interval(difference):
    """Return a paired difference with its interval as text."""
    return f"{difference.mean:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"


def write_section(path, title, text):
    """Put a section into a Markdown file, in place of one of the same title."""
    old = path.read_text() if path.exists() else "# Results\n"
    sections = [part for part in old.split("\n## ") if not part.startswith(title)]
    sections.append(f"{title}\n\n{text}")
    path.write_text("\n\n## ".join(part.strip() for part in sections) + "\n")
