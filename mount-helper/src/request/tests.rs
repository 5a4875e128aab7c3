//! The grammar as one table: what is typed, what is understood.

use super::*;
use mount_words::Value;

fn words(line: &str) -> Vec<String> {
    line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn mount_of(line: &str) -> Result<Mount, String> {
    match parse("/sbin/mount.toft", &words(line))? {
        Request::Mount(request) => Ok(request),
        other => panic!("{line}: {other:?}"),
    }
}

/// The options, spelled `key` or `key=value`, in order of key.
fn options_of(line: &str) -> Result<String, String> {
    let spell = |(key, value): (&&str, &Value)| match value {
        Value::Flag => (*key).to_owned(),
        Value::Number(number) => format!("{key}={number}"),
        Value::Text(text) => format!("{key}={text}"),
    };
    let options = mount_of(&format!("https://h/r.git /m {line}"))?.options;
    Ok(options.iter().map(spell).collect::<Vec<_>>().join(" "))
}

#[test]
fn every_option_is_understood_ignored_or_refused_by_name() {
    let table: &[(&str, Result<&str, &str>)] = &[
        ("", Ok("")),
        ("-o branch=main", Ok("branch=main")),
        ("-obranch=main", Ok("branch=main")),
        ("-o branch=feature/a=b", Ok("branch=feature/a=b")),
        ("-o branch=\"a,b\",ro", Ok("branch=a,b ro")),
        ("-o branch=a -o branch=b", Ok("branch=b")),
        ("-o at=4f2c91e", Ok("at=4f2c91e")),
        ("-o depth=1", Ok("depth=1")),
        ("-o new-branch=fix,offline", Ok("new_branch=fix offline")),
        ("-o flush-on=umount", Ok("flush_on=umount")),
        ("-o hydrate=lazy", Ok("hydrate=lazy")),
        ("-o hydrate=auto", Err("hydrate=auto: is none of full, lazy, demand")),
        ("-o flush_on=idle=30", Ok("flush_on=idle=30")),
        ("-o flush-on=interval=5", Ok("flush_on=interval=5")),
        ("-o workspace=w-7f3k", Ok("workspace=w-7f3k")),
        ("-o credential=file:/etc/toft/x.cred", Ok("credential=file:/etc/toft/x.cred")),
        (
            "-o state-dir=/s,cache_dir=/c,runtime-dir=/r",
            Ok("cache_dir=/c runtime_dir=/r state_dir=/s"),
        ),
        ("-o uid=1000,gid=0", Ok("gid=0 uid=1000")),
        ("-o setuid=build", Ok("setuid=build")),
        ("-o allow_other,default_permissions", Ok("allow_other default_permissions")),
        ("-o allow-root", Ok("allow_root")),
        // the later word wins, as in mount(8)
        ("-o ro,rw", Ok("")),
        ("-o rw,ro", Ok("ro")),
        ("-o nosuid,nodev,noexec", Ok("noexec")),
        ("-o noexec,nosuid,nodev,exec", Ok("")),
        ("-o noatime,nodiratime", Ok("noatime")),
        // the words of fstab, of systemd and of mount(8)
        ("-o defaults,auto,noauto,user,users,owner,group,nofail,_netdev", Ok("")),
        ("-o x-systemd.automount,x-systemd.mount-timeout=30s,X-mount.mkdir", Ok("")),
        ("-o comment=what=ever,relatime,async,silent", Ok("")),
        ("-o rw,,nofail,", Ok("")),
        // -s skips what is unknown, and only that
        ("-s -o frobnicate,context=x,ro", Ok("ro")),
        ("-s -o depth=x", Err("option 'depth' needs a whole number, at least 1")),
        // refused, with the name and the nearest known one
        ("-o brnach=main", Err("unknown option 'brnach' (did you mean 'branch'?)")),
        ("-o flush=5", Err("unknown option 'flush' (did you mean 'flush_on'?)")),
        ("-o allow_others", Err("unknown option 'allow_others' (did you mean 'allow_other'?)")),
        ("-o zzzzzzzz", Err("unknown option 'zzzzzzzz'")),
        ("-o =", Err("unknown option ''")),
        ("-o remount,ro", Err("option 'remount' is refused: unmount and mount again")),
        (
            "-o rw,suid",
            Err("option 'suid' is refused: set-user-id bits never work in a mount of toft's"),
        ),
        ("-o strictatime", Err("option 'strictatime' is refused: no times of reads are kept")),
        ("-o sync", Err("option 'sync' is refused: open with O_SYNC or call fsync instead")),
        (
            "-o password=hunter2",
            Err("option 'password' is refused: write it to a file and give credential=file:PATH"),
        ),
        // bad values
        ("-o branch", Err("option 'branch' needs a value")),
        ("-o branch=", Err("branch=: is empty")),
        ("-o branch=--upload-pack=x", Err("branch=--upload-pack=x: starts with '-'")),
        ("-o branch=a\u{1b}b", Err("branch=a\u{1b}b: holds control characters")),
        ("-o ro=yes", Err("option 'ro' takes no value")),
        ("-o depth=0", Err("option 'depth' needs a whole number, at least 1")),
        ("-o uid=-1", Err("option 'uid' needs a whole number, at least 0")),
        ("-o uid=4294967296", Err("option 'uid' needs a whole number, at least 0")),
        (
            "-o credential=env:TOKEN",
            Err("credential=env:TOKEN: only file:/PATH is taken here (fstab is readable by all)"),
        ),
        ("-o credential=file:x", Err("credential=file:x: is not an absolute path")),
        ("-o state-dir=var", Err("state_dir=var: is not an absolute path")),
        (
            "-o workspace=w-../x",
            Err("workspace=w-../x: is no workspace id (w-..., see `toft list`)"),
        ),
        (
            "-o flush-on=never",
            Err("flush_on=never: is none of umount, close, manual, idle=SECONDS, interval=SECONDS"),
        ),
        (
            "-o flush-on=idle=0",
            Err(
                "flush_on=idle=0: is none of umount, close, manual, idle=SECONDS, interval=SECONDS",
            ),
        ),
        ("-o setuid=-u", Err("setuid=-u: is not a user name")),
        ("-o branch=\"a", Err("a quote is not closed in 'branch=\"a'")),
    ];
    for (line, wanted) in table {
        let found = options_of(line);
        let wanted = wanted.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(found, wanted, "{line}");
    }
}

#[test]
fn words_stand_in_any_order() {
    let plain = mount_of("https://h/r.git /m -o ro -v").expect("good");
    for line in [
        "-v -o ro https://h/r.git /m",
        "-vo ro https://h/r.git /m",
        "https://h/r.git -o ro /m -v",
        "-voro https://h/r.git /m",
        "-n -v -o ro -t fuse.toft -- https://h/r.git /m",
        "toft#https://h/r.git /m -nvo ro",
    ] {
        assert_eq!(mount_of(line).as_ref(), Ok(&plain), "{line}");
    }
    let all = mount_of("s /m -sfnv -N /proc/1/ns/mnt -t toft").expect("good");
    assert!(all.check_only && all.verbose);
    assert_eq!(all.namespace.as_deref(), Some("/proc/1/ns/mnt"));
}

#[test]
fn wrong_command_lines_are_refused() {
    let table = [
        ("/m", "expected SOURCE and DIR"),
        ("s /m extra", "expected SOURCE and DIR"),
        ("s /m -x", "unknown option '-x'"),
        ("s /m -l", "unknown option '-l'"),
        ("s /m -o", "-o needs a value"),
        ("s /m -t ext4", "'ext4' is not a type of toft's"),
        ("-- -s /m", "SOURCE starts with '-'"),
        ("toft#--upload-pack=x /m", "SOURCE starts with '-'"),
        ("https://u:secret@h/r.git /m", "the URL holds a password"),
    ];
    for (line, wanted) in table {
        let why = mount_of(line).expect_err(line);
        assert!(why.starts_with(wanted), "{line}: {why}");
        assert!(!why.contains("secret"), "{why}");
    }
    for source in ["git@h:a/b.git", "https://token@h/r.git", "ssh://git@h:22/r.git", "/r:x@y"] {
        assert_eq!(
            mount_of(&format!("{source} /m")).map(|mount| mount.source),
            Ok(source.to_owned())
        );
    }
}

#[test]
fn a_user_mount_that_cannot_execute_is_warned_of() {
    let warnings = |line| mount_of(line).expect("good").warnings.len();
    assert_eq!(warnings("s /m -o rw,noexec,nosuid,nodev,user"), 1);
    assert_eq!(warnings("s /m -o rw,nosuid,nodev,user"), 0);
    assert_eq!(warnings("s /m -o noexec"), 0);
}

#[test]
fn the_name_decides_what_is_done() {
    let one = |program: &str, line: &str| parse(program, &words(line));
    for name in ["umount.toft", "/usr/sbin/umount.fuse.toft"] {
        let wanted =
            Unmount { dir: "/m".to_owned(), lazy: true, force: true, ..Unmount::default() };
        assert_eq!(one(name, "/m -flnr -t toft"), Ok(Request::Unmount(wanted)), "{name}");
    }
    assert!(matches!(one("mount.fuse.toft", "s /m"), Ok(Request::Mount(_))));
    assert!(one("mount-helper", "s /m").is_err());
    assert!(one("umount.toft", "").is_err());
    assert!(one("umount.toft", "/m -o x").is_err());
    assert_eq!(one("mount.toft", "--help"), Ok(Request::Help));
}
