//! What looks like a secret: few shapes, each precise, because a guard that cries wolf gets
//! switched off. Pure.

/// How much of a file is searched.
pub(super) const SEARCHED: usize = 1 << 20;
/// Git's own measure of a text file: no NUL in the first bytes.
const TEXT_PROBE: usize = 8000;
/// A token of fewer different characters is a placeholder (`ghp_xxxx…`).
const VARIETY: usize = 8;
/// Random text of this length has a digit.
const LONG: usize = 30;
/// Base64 that follows a real key's header.
const KEY_BYTES: usize = 32;

/// Files whose name says what they hold.
const NAMES: &[&str] = &[
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
    ".git-credentials",
    ".netrc",
    ".pgpass",
];
/// Key stores.
const EXTENSIONS: &[&str] = &[".p12", ".pfx", ".ppk"];
/// Parts of `.env.…` that say that it is a template.
const TEMPLATES: &[&str] =
    &["example", "sample", "template", "tmpl", "tpl", "dist", "defaults", "schema", "vault"];

/// A token: what it starts with, and what must follow.
struct Shape {
    what: &'static str,
    prefix: &'static str,
    accepts: fn(u8) -> bool,
    /// Least number of accepted bytes after the prefix.
    least: usize,
    /// Greatest; one more accepted byte and it is something else.
    most: usize,
}

const ANY: usize = usize::MAX;

const SHAPES: &[Shape] = &[
    Shape { what: "an AWS access key", prefix: "AKIA", accepts: upper, least: 16, most: 16 },
    Shape { what: "an AWS access key", prefix: "ASIA", accepts: upper, least: 16, most: 16 },
    Shape { what: "a GitHub token", prefix: "ghp_", accepts: alnum, least: 36, most: ANY },
    Shape { what: "a GitHub token", prefix: "gho_", accepts: alnum, least: 36, most: ANY },
    Shape { what: "a GitHub token", prefix: "ghu_", accepts: alnum, least: 36, most: ANY },
    Shape { what: "a GitHub token", prefix: "ghs_", accepts: alnum, least: 36, most: ANY },
    Shape { what: "a GitHub token", prefix: "ghr_", accepts: alnum, least: 36, most: ANY },
    Shape { what: "a GitHub token", prefix: "github_pat_", accepts: word, least: 60, most: ANY },
    Shape { what: "a GitLab token", prefix: "glpat-", accepts: word, least: 20, most: ANY },
    Shape { what: "a Slack token", prefix: "xoxb-", accepts: word, least: 30, most: ANY },
    Shape { what: "a Slack token", prefix: "xoxp-", accepts: word, least: 30, most: ANY },
    Shape { what: "a Slack token", prefix: "xoxa-", accepts: word, least: 30, most: ANY },
    Shape { what: "a Slack token", prefix: "xoxs-", accepts: word, least: 30, most: ANY },
    Shape { what: "a Google API key", prefix: "AIza", accepts: word, least: 35, most: 35 },
    Shape { what: "an Anthropic key", prefix: "sk-ant-", accepts: word, least: 40, most: ANY },
    Shape { what: "an OpenAI key", prefix: "sk-proj-", accepts: word, least: 40, most: ANY },
    Shape { what: "an OpenAI key", prefix: "sk-svcacct-", accepts: word, least: 40, most: ANY },
    Shape { what: "an OpenAI key", prefix: "sk-admin-", accepts: word, least: 40, most: ANY },
    Shape { what: "an OpenAI key", prefix: "sk-", accepts: alnum, least: 48, most: 48 },
    Shape { what: "a Stripe key", prefix: "sk_live_", accepts: alnum, least: 24, most: ANY },
    Shape { what: "an npm token", prefix: "npm_", accepts: alnum, least: 36, most: 36 },
    Shape {
        what: "a token of a git host",
        prefix: "art_v1_",
        accepts: alnum,
        least: 40,
        most: ANY,
    },
];

/// Why the name of `path` looks like a secret.
pub fn secret_name(path: &[u8]) -> Option<&'static str> {
    let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let name = path[start..].to_ascii_lowercase();
    if is_dotenv(&name) {
        return Some("an environment file");
    }
    let named = NAMES.iter().any(|known| name == known.as_bytes());
    let stored =
        EXTENSIONS.iter().any(|end| name.len() > end.len() && name.ends_with(end.as_bytes()));
    let aws = path == b".aws/credentials" || path.ends_with(b"/.aws/credentials");
    (named || stored || aws).then_some("a file of keys or passwords")
}

/// What in `content`, the beginning of a file, looks like a secret.
pub fn secret_content(content: &[u8]) -> Option<&'static str> {
    let probe = &content[..content.len().min(TEXT_PROBE)];
    if probe.contains(&0) {
        return None;
    }
    let content = &content[..content.len().min(SEARCHED)];
    let mut before = b' ';
    for (at, byte) in content.iter().enumerate() {
        let rest = &content[at..];
        if *byte == b'-' && is_private_key(rest) {
            return Some("a private key");
        }
        if matches!(byte, b'A' | b'a' | b'g' | b'n' | b's' | b'x')
            && !word(before)
            && let Some(shape) = SHAPES.iter().find(|shape| shape.matches(rest))
        {
            return Some(shape.what);
        }
        before = *byte;
    }
    None
}

impl Shape {
    fn matches(&self, text: &[u8]) -> bool {
        let Some(rest) = text.strip_prefix(self.prefix.as_bytes()) else { return false };
        let len = rest.iter().take_while(|byte| (self.accepts)(**byte)).count();
        let token = &rest[..len];
        // What follows an exact length must not continue a word either.
        let ends = rest.get(len).is_none_or(|next| self.most == ANY || !word(*next));
        (self.least..=self.most).contains(&len)
            && ends
            && varied(token)
            && (len < LONG || token.iter().any(u8::is_ascii_digit))
            && !token.ends_with(b"EXAMPLE")
    }
}

/// `.env`, `.env.local` and so on, but no template.
fn is_dotenv(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b".env") else { return false };
    let mut parts = rest.split(|byte| *byte == b'.');
    let starts_well = parts.next().is_some_and(<[u8]>::is_empty);
    starts_well && !parts.any(|part| TEMPLATES.iter().any(|known| part == known.as_bytes()))
}

/// Whether `text` starts with the header of a private key and some of the key itself: a header
/// alone stands in every program that reads keys.
fn is_private_key(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"-----BEGIN ") else { return false };
    let header = &rest[..rest.len().min(64)];
    let Some(end) = find(header, b"-----") else { return false };
    let kind = &header[..end];
    let private = kind.ends_with(b"PRIVATE KEY") || kind.ends_with(b"PRIVATE KEY BLOCK");
    if !private || !kind.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b' ') {
        return false;
    }
    let mut body = &rest[end + 5..];
    // Line ends, indentation, and the `\n` of a key inside a JSON string.
    while let [first, tail @ ..] = body {
        body = match (first, tail) {
            (b'\\', [b'n' | b'r', tail @ ..]) => tail,
            (first, tail) if first.is_ascii_whitespace() => tail,
            _ => break,
        };
    }
    let encrypted = [b"Proc-Type:".as_slice(), b"Version:", b"Comment:"];
    let base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let key = &body[..body.iter().take_while(base64).count()];
    encrypted.iter().any(|line| body.starts_with(line)) || (key.len() >= KEY_BYTES && varied(key))
}

fn varied(token: &[u8]) -> bool {
    let mut seen = [false; 256];
    token.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count() >= VARIETY
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
