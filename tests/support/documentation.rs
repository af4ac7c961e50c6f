//! Tables of `docs/json-schema.md`, whose rows tests compare with the library.

/// The cells of each row of the Markdown table whose header starts with `header`.
pub fn documented(header: &str) -> Vec<Vec<String>> {
    let page = include_str!("../../docs/json-schema.md");
    let table = page.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The code spans of a cell, which are separated by `;`.
pub fn spans(cell: &str) -> Vec<&str> {
    cell.split("` ; `").map(|span| span.trim_matches('`')).collect()
}
