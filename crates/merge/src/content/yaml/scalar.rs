//! What stands on one line: keys, scalars, flow collections.

/// A key at the start of `text` and the length up to and with its colon.
pub(super) fn key(text: &str) -> Option<(String, usize)> {
    let quote = text.chars().next()?;
    let (name, length) = if matches!(quote, '"' | '\'') {
        let end = 1 + text[1..].find(quote)?;
        (&text[1..end], end + 1)
    } else {
        let end = text
            .match_indices(':')
            .map(|(at, _)| at)
            .find(|at| matches!(text.as_bytes().get(at + 1), None | Some(b' ')))?;
        let is_plain = |char: char| char.is_alphanumeric() || " _-./$".contains(char);
        let starts_plain = quote.is_alphanumeric() || "_./$".contains(quote);
        if !starts_plain || !text[..end].chars().all(is_plain) || text[..end].ends_with(' ') {
            return None;
        }
        (&text[..end], end)
    };
    let is_sign = text[length..].starts_with(": ") || &text[length..] == ":";
    (is_sign && !name.is_empty() && !name.contains(['\\', '"', '\'']))
        .then(|| (name.to_owned(), length + 1))
}

/// Length of the value at the start of `text`, which runs to the end of a line; behind it only a
/// comment may stand.
pub(super) fn inline(text: &str) -> Option<usize> {
    let length = match text.chars().next()? {
        quote @ ('"' | '\'') => quoted(text, quote)?,
        '[' | '{' => flow(text)?,
        _ => return plain(text),
    };
    let rest = &text[length..];
    let is_end =
        rest.trim().is_empty() || (rest.starts_with(' ') && rest.trim_start().starts_with('#'));
    is_end.then_some(length)
}

/// Signs with which no plain scalar starts.
const INDICATORS: &str = "&*!|>%@`,]}[{#\"'";

fn plain(text: &str) -> Option<usize> {
    let end = text.find(" #").unwrap_or(text.len());
    let value = text[..end].trim_end();
    let mut chars = value.chars();
    let first = chars.next()?;
    let is_word = match first {
        '-' | '?' | ':' => chars.next().is_some_and(|second| second != ' '),
        _ => !INDICATORS.contains(first),
    };
    (is_word && !value.contains(": ") && !value.ends_with(':') && !value.contains('\t'))
        .then_some(value.len())
}

/// Length of a string with its quotes.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        if char == '\\' && quote == '"' {
            chars.next()?;
        } else if char == quote {
            if quote == '\'' && chars.peek().is_some_and(|&(_, next)| next == quote) {
                chars.next();
            } else {
                return Some(at + 1);
            }
        }
    }
    None
}

/// Length of a flow collection; anything with a meaning beyond its own text is refused.
fn flow(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    let mut at = 0;
    // Whether a new scalar could start here.
    let mut is_start = true;
    while let Some(char) = text[at..].chars().next() {
        match char {
            '[' | '{' => open.push(if char == '[' { ']' } else { '}' }),
            ']' | '}' => {
                if open.pop() != Some(char) {
                    return None;
                }
                if open.is_empty() {
                    return Some(at + 1);
                }
            }
            '"' | '\'' if is_start => {
                at += quoted(&text[at..], char)?;
                is_start = false;
                continue;
            }
            '&' | '*' | '!' | '|' | '>' | '%' | '@' | '`' | '?' if is_start => return None,
            '#' => return None,
            _ => {}
        }
        is_start = matches!(char, '[' | '{' | ',' | ':') || (is_start && char == ' ');
        at += char.len_utf8();
    }
    None
}
