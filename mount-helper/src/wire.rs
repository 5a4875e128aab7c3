//! What `toft mount --from-helper` reads on stdin. Pure.

use super::request::Mount;
use mount_words::{Options, Value};
use std::fmt::Write as _;

/// The request as one JSON object (the form is in the crate's documentation).
pub fn json(request: &Mount, dir: &str, dir_dev: u64, dir_ino: u64) -> String {
    let mut text = String::from("{\"schema\":\"toft.mount-request/1\",\"source\":");
    quote(&request.source, &mut text);
    text.push_str(",\"dir\":");
    quote(dir, &mut text);
    let _ = write!(text, ",\"dir_dev\":{dir_dev},\"dir_ino\":{dir_ino},\"options\":");
    options_json(&request.options, &mut text);
    text.push('}');
    text
}

fn options_json(options: &Options, text: &mut String) {
    text.push('{');
    // setuid is ours to carry out
    for (at, (name, value)) in options.iter().filter(|(name, _)| **name != "setuid").enumerate() {
        if at > 0 {
            text.push(',');
        }
        quote(name, text);
        text.push(':');
        match value {
            Value::Flag => text.push_str("true"),
            Value::Number(number) => text.push_str(&number.to_string()),
            Value::Text(value) => quote(value, text),
        }
    }
    text.push('}');
}

fn quote(value: &str, text: &mut String) {
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            _ if letter.is_control() => {
                let _ = write!(text, "\\u{:04x}", u32::from(letter));
            }
            _ => text.push(letter),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_json_object_and_setuid_stays_here() {
        let mut request = Mount { source: "a \"b\"\\c\u{1}".to_owned(), ..Mount::default() };
        let words = "branch=main,depth=1,ro,setuid=build";
        mount_words::parse(words, false, &mut request.options).expect("good words");
        assert_eq!(
            json(&request, "/srv/x y", 7, 8),
            "{\"schema\":\"toft.mount-request/1\",\"source\":\"a \\\"b\\\"\\\\c\\u0001\",\
             \"dir\":\"/srv/x y\",\"dir_dev\":7,\"dir_ino\":8,\
             \"options\":{\"branch\":\"main\",\"depth\":1,\"ro\":true}}"
        );
    }
}
