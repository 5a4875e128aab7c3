//! Makes text fit for eyes: without secrets and without terminal escapes.
//!
//! Works on any text by shape (userinfo of URLs, authorization headers, `password=`, well-known
//! token prefixes). Where a secret is known word by word, use [`Redactor`] as well.

const MASK: &str = "***";

/// Beginnings of tokens that forges hand out.
const TOKEN_PREFIXES: &[&str] = &[
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "art_v1_",
    "xoxb-",
    "xoxp-",
    "sk-ant-",
    "hf_",
    "npm_",
    "pypi-",
];

/// Words after which a secret stands, up to the next space, quote or `&`.
const SECRET_KEYS: &[&str] = &[
    "password=",
    "passwd=",
    "token=",
    "secret=",
    "api_key=",
    "apikey=",
    "access_key=",
    "client_secret=",
    "signature=",
];

/// Replaces everything in `text` that looks like a secret by `***`.
pub fn redact(text: &str) -> String {
    let text = mask_userinfo(text);
    let text = mask_headers(&text);
    let text = mask_after(&text, SECRET_KEYS, 1, |byte| {
        byte.is_ascii_whitespace() || matches!(byte, b'&' | b'\'' | b'"' | b'<' | b'>')
    });
    mask_after(&text, TOKEN_PREFIXES, 8, |byte| {
        !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    })
}

/// Replaces the secrets of a URL by `***`; for names of mounts, lists and logs.
pub fn redact_url(url: &str) -> String {
    redact(&strip_escapes(url))
}

/// Removes terminal escape sequences and control characters, but for newline and tab.
pub fn strip_escapes(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\x1b' => skip_escape(&mut chars),
            '\u{9b}' => skip_until(&mut chars, |char| ('\x40'..='\x7e').contains(&char)),
            '\n' | '\t' => clean.push(char),
            // Bidirectional overrides make a line read as another one.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            char if char.is_control() => {}
            char => clean.push(char),
        }
    }
    clean
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Skips what follows ESC: a control sequence, a string (title, hyperlink), or one character.
fn skip_escape(chars: &mut Chars<'_>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_until(chars, |char| ('\x40'..='\x7e').contains(&char));
        }
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(chars),
        Some(' '..='/') => skip_until(chars, |char| ('\x30'..='\x7e').contains(&char)),
        Some('\n') | None => {}
        Some(_) => {
            chars.next();
        }
    }
}

/// Skips up to the end that `last` knows; a line's end always ends it.
fn skip_until(chars: &mut Chars<'_>, last: impl Fn(char) -> bool) {
    while let Some(char) = chars.next_if(|&char| char != '\n') {
        if last(char) {
            return;
        }
    }
}

/// Skips an escape string, which BEL or ESC `\` ends.
fn skip_string(chars: &mut Chars<'_>) {
    skip_until(chars, |char| matches!(char, '\x07' | '\x1b' | '\u{9c}'));
    chars.next_if_eq(&'\\');
}

/// Knows secrets word by word.
#[derive(Clone, Default)]
pub(super) struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    /// Remembers `secret`. Below four bytes it would only spoil the text.
    pub(super) fn add(&mut self, secret: &str) {
        if secret.len() >= 4 {
            self.secrets.push(secret.to_owned());
        }
    }

    /// Text of a child made fit for eyes.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = strip_escapes(text);
        for secret in &self.secrets {
            text = text.replace(secret, MASK);
        }
        redact(&text)
    }
}

/// `scheme://user:password@host` becomes `scheme://***@host`.
///
/// A lone user name stays outside http, where it is no secret (`ssh://git@host`).
fn mask_userinfo(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let end = after
            .find(|char: char| char.is_whitespace() || "/?#'\"<>".contains(char))
            .unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        if authority.ends_with(':') && tail.starts_with("//") {
            // It is the scheme of the next URL: `http://https://u:p@h`.
            rest = after;
            continue;
        }
        match authority.rsplit_once('@') {
            Some((user, host))
                if user.contains(':') || before.to_ascii_lowercase().contains("http") =>
            {
                masked.push_str(MASK);
                masked.push('@');
                masked.push_str(host);
            }
            _ => masked.push_str(authority),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

/// Masks what follows `Authorization:`, `Bearer ` and `Basic `.
fn mask_headers(text: &str) -> String {
    let text =
        mask_after(text, &["authorization: "], 1, |byte| matches!(byte, b'\n' | b'\'' | b'"'));
    mask_after(&text, &["bearer ", "basic "], 12, |byte| {
        byte.is_ascii_whitespace() || matches!(byte, b'\'' | b'"' | b',')
    })
}

/// Masks what follows each of `marks` (in any case of letters) up to a byte that `ends` it, where
/// that is at least `least` bytes.
fn mask_after(text: &str, marks: &[&str], least: usize, ends: impl Fn(u8) -> bool) -> String {
    let lower = text.to_ascii_lowercase();
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    let first = |from: usize| {
        let hits = marks
            .iter()
            .filter_map(|mark| lower[from..].find(mark).map(|at| from + at + mark.len()));
        hits.min()
    };
    while let Some(start) = first(from) {
        let length = lower.as_bytes()[start..].iter().position(|&byte| ends(byte));
        let end = start + length.unwrap_or(lower.len() - start);
        masked.push_str(&text[from..start]);
        masked.push_str(if end - start >= least { MASK } else { &text[start..end] });
        from = end;
    }
    masked.push_str(&text[from..]);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_lose_their_userinfo_and_keep_the_rest() {
        for (text, expected) in [
            ("https://u:p@h/x", "https://***@h/x"),
            ("https://token@h/x", "https://***@h/x"),
            ("ssh://git@h/x", "ssh://git@h/x"),
            ("ssh://git:pw@h/x", "ssh://***@h/x"),
            ("git@h:x", "git@h:x"),
            ("https://h/a@b", "https://h/a@b"),
            ("fatal: 'https://u:p@w@h/x/' not found", "fatal: 'https://***@h/x/' not found"),
            ("https://h/r?access_token=abc&x=1", "https://h/r?access_token=***&x=1"),
            ("http://https://u:p@h/x", "http://https://***@h/x"),
            ("ssh://http://token@h/x", "ssh://http://***@h/x"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn headers_and_known_tokens_are_masked() {
        let basic = redact("> Authorization: Basic dTpwYXNz\nnext");
        assert_eq!(basic, "> Authorization: ***\nnext");
        assert_eq!(redact("bearer art_v1_0123456789abcdef?x"), "bearer ***");
        assert_eq!(redact("saw ghp_0123456789abcdefghij here"), "saw ghp_*** here");
        assert_eq!(redact("basic idea, ghp_x"), "basic idea, ghp_x");
    }

    #[test]
    fn escapes_are_stripped_and_text_is_kept() {
        assert_eq!(strip_escapes("a\x1b[31mred\x1b[0m b\x07\r\n\tc"), "ared b\n\tc");
        assert_eq!(strip_escapes("\x1b]0;title\x07x\x1b]8;;http://e\x1b\\y"), "xy");
        assert_eq!(strip_escapes("\x1b[2J\x1b(B\u{9b}1mz\x1b"), "z");
        assert_eq!(strip_escapes("\x1b[12\nnext"), "\nnext");
    }

    proptest! {
        #[test]
        fn no_password_of_a_url_survives(
            before in "[a-z ]{0,8}", user in "[a-zA-Z0-9%._-]{0,12}",
            secret in "[A-Z0-9%._!$*+,;=:@~-]{6,40}", after in "[a-z/ ]{0,8}",
        ) {
            let text = format!("{before}https://{user}:{secret}@host/{after}");
            prop_assert!(!redact(&text).contains(&secret));
        }

        #[test]
        fn a_known_secret_never_survives(secret in "[A-Za-z0-9+/=]{8,40}", around in ".{0,20}") {
            let mut redactor = Redactor::default();
            redactor.add(&secret);
            let text = format!("{around}{secret}{around}");
            prop_assert!(!redactor.clean(&text).contains(&secret));
        }

        #[test]
        fn stripped_text_holds_no_control_character(text in "\\PC{0,10}[\\x00-\\x1f\\x7f-\\x9f]{0,5}.{0,10}") {
            let clean = strip_escapes(&text);
            prop_assert!(clean.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        }
    }
}
