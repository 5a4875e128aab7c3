//! What looks like a secret, and what only nearly does.

use toft::commit::{secret_content, secret_name};

/// Joined at run time, so that this file holds no token itself.
fn token(parts: &[&str]) -> Vec<u8> {
    parts.concat().into_bytes()
}

const KEY: &str = "MIIEpAIBAAKCAQEA3Tz2mr7SZiAMfQyuvBjM9Oi7Dg4S0c1cqhUR6E9SB9YzY7h1\n";

#[test]
fn names_that_hold_secrets() {
    let names = [
        ".env",
        ".env.local",
        ".env.production",
        "app/.env",
        "app/.ENV",
        ".env.example.local.bak",
        "id_rsa",
        ".ssh/id_ed25519",
        "keys/id_ecdsa_sk",
        "server.p12",
        "cert.PFX",
        "putty.ppk",
        ".netrc",
        ".pgpass",
        ".git-credentials",
        "home/.aws/credentials",
    ];
    // A part of the name that says template makes it one, wherever it stands.
    for name in names.iter().filter(|name| !name.contains("example")) {
        assert!(secret_name(name.as_bytes()).is_some(), "{name}");
    }
}

#[test]
fn names_that_hold_none() {
    let names = [
        ".env.example",
        ".env.sample",
        ".env.template",
        ".env.dist",
        "app/.env.EXAMPLE",
        ".env.local.example",
        ".env.vault",
        ".envrc",
        "env",
        "my.env",
        ".environment",
        "id_rsa.pub",
        "id_rsa.md",
        "id_rsa/readme",
        "credentials",
        "aws/credentials.rs",
        "src/netrc.c",
        ".p12",
        "cert.pem",
        "server.key",
        "tokenizer.json",
        "password.html",
    ];
    for name in names {
        assert_eq!(secret_name(name.as_bytes()), None, "{name}");
    }
}

#[test]
fn contents_that_are_secrets() {
    let contents = [
        token(&["AWS_ACCESS_KEY_ID=AK", "IAQ3EGRIBLD7MOTJZ5\n"]),
        token(&["key: \"AS", "IAQ3EGRIBLD7MOTJZ5\""]),
        token(&["gh", "p_16C7e42F292c6912E7710c838347Ae178B4a"]),
        token(&["x = 'gh", "o_16C7e42F292c6912E7710c838347Ae178B4a';"]),
        token(&["git", "hub_pat_11ABCDEFG0aBcDeFgHiJkL_", &"aB3dE5gH7j".repeat(6)]),
        token(&["xo", "xb-123456789012-123456789012-aBcDeFgHiJkLmNoPqRsTuVwX"]),
        token(&["?key=AI", "zaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe&x"]),
        token(&["OPENAI_API_KEY=sk", "-", &"abcdefghij0123456789ABCD".repeat(2)]),
        token(&["sk-", "proj-", &"aB3dE5gH7j_-".repeat(5)]),
        token(&["ANTHROPIC_API_KEY=sk-", "ant-api03-", &"aB3dE5gH7j_-".repeat(8), "AA"]),
        token(&["gl", "pat-aB3dE5gH7jK9mN1pQ3rS"]),
        token(&["-----BEGIN RSA ", "PRIVATE KEY-----\n", KEY]),
        token(&["-----BEGIN ", "PRIVATE KEY-----\r\n", KEY]),
        token(&["-----BEGIN OPENSSH ", "PRIVATE KEY-----\n", KEY]),
        token(&["-----BEGIN EC ", "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"]),
        token(&["-----BEGIN PGP ", "PRIVATE KEY BLOCK-----\nVersion: GnuPG\n\n"]),
        token(&["  key: |\n    -----BEGIN ", "PRIVATE KEY-----\n    ", KEY]),
        token(&[
            "{\"private_key\": \"-----BEGIN ",
            "PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw",
        ]),
    ];
    for content in contents {
        assert!(secret_content(&content).is_some(), "{}", content.escape_ascii());
    }
}

#[test]
fn contents_that_only_look_like_it() {
    let contents = [
        token(&["AK", "IAIOSFODNN7EXAMPLE"]),
        token(&["AK", "IAQ3EGRIBLD7MOTJZ5AB"]),
        token(&["xAK", "IAQ3EGRIBLD7MOTJZ5"]),
        token(&["AK", "IA0000000000000000"]),
        token(&["gh", "p_", &"x".repeat(36)]),
        token(&["gh", "p_short1234"]),
        token(&["re.compile(r'gh", "p_[A-Za-z0-9]{36}')"]),
        token(&["sk", "-learn-contrib-something-that-is-a-package-name-0123"]),
        token(&["class=\"sk", "-spinner sk-three-bounce\""]),
        token(&["risk-", "proj-aB3dE5gH7jaB3dE5gH7jaB3dE5gH7jaB3dE5gH7j"]),
        token(&["AI", "za"]),
        token(&["AI", "zaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe-and-more-of-it"]),
        token(&["if line == \"-----BEGIN RSA ", "PRIVATE KEY-----\" {\n    let key = read();\n"]),
        token(&["-----BEGIN RSA ", "PRIVATE KEY-----\n...\n"]),
        token(&["-----BEGIN RSA ", "PRIVATE KEY-----\n", &"x".repeat(64), "\n"]),
        token(&["-----BEGIN ", "PUBLIC KEY-----\n", KEY]),
        token(&["-----BEGIN CERTI", "FICATE-----\n", KEY]),
        token(&["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"]),
        token(&["\0binary gh", "p_16C7e42F292c6912E7710c838347Ae178B4a"]),
        token(&["sha512-", &"Zm9vYmFyYmF6cXV4".repeat(5), "=="]),
        Vec::new(),
    ];
    for content in contents {
        assert_eq!(secret_content(&content), None, "{}", content.escape_ascii());
    }
}
