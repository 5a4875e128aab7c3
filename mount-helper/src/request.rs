//! What mount(8) or umount(8) asked for: the words of the command line, checked. Pure.

use mount_words::{self as options, Options};

#[cfg(test)]
mod tests;

/// The grammar, as `--help` shows it.
pub const USAGE: &str = "\
mount.toft SOURCE DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]
umount.toft DIR [-flnrv] [-N NAMESPACE] [-t TYPE]
Run by mount(8) and umount(8); by hand, `toft mount` and `toft umount` say more.";

/// A whole command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// `--help`
    Help,
    /// `mount.toft`
    Mount(Mount),
    /// `umount.toft`
    Unmount(Unmount),
}

/// `mount.toft SOURCE DIR ...`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// Anything that `git clone` takes.
    pub source: String,
    /// Where to mount.
    pub dir: String,
    /// `-f`: check, do not mount.
    pub check_only: bool,
    /// `-v`
    pub verbose: bool,
    /// `-N`: the mount namespace to work in.
    pub namespace: Option<String>,
    /// `-o`, all of them.
    pub options: Options,
    /// What the caller should know and may not expect.
    pub warnings: Vec<String>,
}

/// `umount.toft DIR ...`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unmount {
    /// What to unmount.
    pub dir: String,
    /// `-f`: off at any price; the journal keeps the work.
    pub force: bool,
    /// `-l`: off now, flushed afterwards.
    pub lazy: bool,
    /// `-v`
    pub verbose: bool,
    /// `-N`: the mount namespace to work in.
    pub namespace: Option<String>,
}

/// Reads a command line; `program` is argv[0].
pub fn parse(program: &str, arguments: &[String]) -> Result<Request, String> {
    if arguments.iter().any(|word| word == "--help") {
        return Ok(Request::Help);
    }
    match program.rsplit('/').next().unwrap_or(program) {
        "mount.toft" | "mount.fuse.toft" | "mount.fuse" => mount(arguments).map(Request::Mount),
        "umount.toft" | "umount.fuse.toft" | "umount.fuse" => {
            unmount(arguments).map(Request::Unmount)
        }
        other => Err(format!("'{other}' is neither mount.toft nor umount.toft\n{USAGE}")),
    }
}

fn mount(arguments: &[String]) -> Result<Mount, String> {
    let words = Words::split(arguments, "sfnv", "Not")?;
    words.check_type()?;
    let [source, dir] = words.operands.as_slice() else {
        return Err(format!("expected SOURCE and DIR\n{USAGE}"));
    };
    let mut request = Mount {
        source: checked_source(source)?,
        dir: checked_dir(dir)?,
        check_only: words.has('f'),
        verbose: words.has('v'),
        namespace: words.last('N').map(str::to_owned),
        ..Mount::default()
    };
    for text in words.all('o') {
        options::parse(text, words.has('s'), &mut request.options)?;
    }
    let by_users = |text: &str| text.split(',').any(|word| matches!(word, "user" | "users"));
    if request.options.contains_key("noexec") && words.all('o').any(by_users) {
        let text = "the option 'user' implies noexec: scripts here will not run (use user,exec)";
        request.warnings.push(text.to_owned());
    }
    Ok(request)
}

fn unmount(arguments: &[String]) -> Result<Unmount, String> {
    let words = Words::split(arguments, "flnrv", "Nt")?;
    words.check_type()?;
    let [dir] = words.operands.as_slice() else {
        return Err(format!("expected DIR\n{USAGE}"));
    };
    Ok(Unmount {
        dir: checked_dir(dir)?,
        force: words.has('f'),
        lazy: words.has('l'),
        verbose: words.has('v'),
        namespace: words.last('N').map(str::to_owned),
    })
}

/// A command line taken apart, as getopt(3) does it.
struct Words<'a> {
    given: Vec<(char, &'a str)>,
    operands: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn split(arguments: &'a [String], flags: &str, valued: &str) -> Result<Self, String> {
        let mut words = Words { given: Vec::new(), operands: Vec::new() };
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            match word.strip_prefix('-') {
                Some("-") => words.operands.extend(rest.by_ref()),
                Some(letters) if !letters.is_empty() => {
                    words.letters(letters, flags, valued, &mut rest)?;
                }
                _ => words.operands.push(word),
            }
        }
        Ok(words)
    }

    /// One word of letters: `-sv`, `-o OPTIONS`, `-oOPTIONS`, `-vo OPTIONS`.
    fn letters(
        &mut self,
        letters: &'a str,
        flags: &str,
        valued: &str,
        rest: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), String> {
        for (at, letter) in letters.char_indices() {
            if flags.contains(letter) {
                self.given.push((letter, ""));
            } else if valued.contains(letter) {
                let attached = &letters[at + letter.len_utf8()..];
                let value = if attached.is_empty() { rest.next() } else { Some(attached) };
                let value = value.ok_or_else(|| format!("-{letter} needs a value"))?;
                self.given.push((letter, value));
                return Ok(());
            } else {
                return Err(format!("unknown option '-{letter}'\n{USAGE}"));
            }
        }
        Ok(())
    }

    fn all(&self, wanted: char) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(move |(letter, _)| *letter == wanted).map(|(_, value)| *value)
    }

    fn has(&self, wanted: char) -> bool {
        self.all(wanted).next().is_some()
    }

    fn last(&self, wanted: char) -> Option<&'a str> {
        self.all(wanted).last()
    }

    /// mount(8) says the full type where the helper's name does not.
    fn check_type(&self) -> Result<(), String> {
        match self.last('t') {
            None | Some("toft" | "fuse.toft" | "fuse") => Ok(()),
            Some(other) => Err(format!("'{other}' is not a type of toft's")),
        }
    }
}

fn checked_source(text: &str) -> Result<String, String> {
    // the old fstab form of FUSE: `toft#URL`
    let source = text.strip_prefix("toft#").unwrap_or(text);
    options::printable(source).map_err(|why| format!("SOURCE {why}"))?;
    if source.starts_with('-') {
        return Err("SOURCE starts with '-'".to_owned());
    }
    let authority = source.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(""));
    let login = authority.and_then(|authority| authority.rsplit_once('@')).map(|(login, _)| login);
    if login.is_some_and(|login| login.contains(':')) {
        let why = "the URL holds a password, which ps and fstab would show";
        return Err(format!("{why}; write it to a file and give -o credential=file:PATH"));
    }
    Ok(source.to_owned())
}

fn checked_dir(text: &str) -> Result<String, String> {
    options::printable(text).map_err(|why| format!("DIR {why}"))?;
    Ok(text.to_owned())
}
