//! What looks like a secret: by file name, and by content. Pure; short and precise on purpose, since
//! a guard that cries wolf is switched off.

/// Names that tools write private keys and passwords to.
const NAMES: &[&str] = &[
    ".env",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".htpasswd",
    "credentials.json",
    "secring.gpg",
];
const SUFFIXES: &[&str] = &[".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk"];
/// `.env.NAME` holds secrets, except for these names, which are made to be shared.
const SHARED_ENV: &[&str] = &["example", "sample", "template", "dist", "defaults", "schema"];
/// Names on the first list that only sometimes hold a secret: the content decides.
const BY_CONTENT: &[(&str, &str)] =
    &[(".npmrc", "_auth"), (".pypirc", "password"), ("credentials.json", "private_key")];

/// Known shapes of tokens: prefix, least number of characters that follow, and which.
const TOKENS: &[(&str, usize, Alphabet)] = &[
    ("AKIA", 16, Alphabet::Upper),
    ("ASIA", 16, Alphabet::Upper),
    ("ghp_", 36, Alphabet::Word),
    ("gho_", 36, Alphabet::Word),
    ("ghu_", 36, Alphabet::Word),
    ("ghs_", 36, Alphabet::Word),
    ("github_pat_", 59, Alphabet::Word),
    ("glpat-", 20, Alphabet::Word),
    ("xoxb-", 24, Alphabet::Word),
    ("xoxp-", 24, Alphabet::Word),
    ("sk-ant-", 40, Alphabet::Word),
    ("sk-proj-", 40, Alphabet::Word),
    ("sk_live_", 24, Alphabet::Word),
    ("AIza", 35, Alphabet::Word),
    ("npm_", 36, Alphabet::Word),
    ("art_v1_", 40, Alphabet::Word),
];

#[derive(Clone, Copy)]
enum Alphabet {
    Upper,
    Word,
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Word => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
        }
    }
}

/// Why the last component `name` of a path looks like a secret.
pub fn secret_name(name: &[u8]) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    if BY_CONTENT.iter().any(|(listed, _)| listed.as_bytes() == lower) {
        return None;
    }
    if let Some(kind) = lower.strip_prefix(b".env.") {
        let shared = SHARED_ENV.iter().any(|word| kind.ends_with(word.as_bytes()));
        return (!shared).then_some("environment file");
    }
    let listed = NAMES.iter().any(|listed| listed.as_bytes() == lower);
    let ends = SUFFIXES.iter().any(|suffix| lower.ends_with(suffix.as_bytes()));
    (listed || ends).then_some("its name is that of a secret")
}

/// Why `bytes`, the content of a file called `name`, look like a secret.
pub fn secret_content(name: &[u8], bytes: &[u8]) -> Option<&'static str> {
    if is_private_key(bytes) {
        return Some("it holds a private key");
    }
    let lower = name.to_ascii_lowercase();
    let named = BY_CONTENT.iter().find(|(listed, _)| listed.as_bytes() == lower);
    if named.is_some_and(|(_, word)| position(bytes, word.as_bytes()).is_some()) {
        return Some("it holds a password");
    }
    TOKENS.iter().any(|token| has_token(bytes, *token)).then_some("it holds an access token")
}

/// A PEM header of a private key at the start of a line, and a body behind it.
fn is_private_key(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = position(rest, b"-----BEGIN ") {
        let line_start = at == 0 || rest[at - 1] == b'\n';
        rest = &rest[at + 11..];
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let header = line.trim_ascii_end();
        if line_start
            && header.ends_with(b"PRIVATE KEY-----")
            && rest.len() > line.len() + 64
            && position(rest, b"-----END ").is_some_and(|end| end > line.len() + 64)
        {
            return true;
        }
    }
    false
}

fn has_token(bytes: &[u8], (prefix, least, alphabet): (&str, usize, Alphabet)) -> bool {
    let mut from = 0;
    while let Some(at) = position(&bytes[from..], prefix.as_bytes()).map(|at| at + from) {
        let tail = &bytes[at + prefix.len()..];
        let run = tail.iter().take_while(|byte| alphabet.has(**byte)).count();
        let starts = at == 0 || !Alphabet::Word.has(bytes[at - 1]);
        // Placeholders repeat themselves: xxxxxxxx, 00000000.
        let varied = tail[..run].iter().collect::<std::collections::BTreeSet<_>>().len() >= 8;
        if starts && run >= least && varied {
            return true;
        }
        from = at + prefix.len();
    }
    false
}

fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}
