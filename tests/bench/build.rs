//! What people do in a working tree, whole: a clone, builds, an installation. Nothing is fetched.

use super::io;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Modules of the Rust crate, files of the C program, packages of the npm project.
const MODULES: usize = 60;
const UNITS: usize = 60;
const PACKAGES: usize = 20;
const FILES_OF_A_PACKAGE: usize = 100;

/// A crate without dependencies.
pub fn crate_at(dir: &Path) {
    fs::create_dir_all(dir.join("src")).expect("mkdir");
    let manifest =
        "[package]\nname = \"made\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    fs::write(dir.join("Cargo.toml"), manifest).expect("write");
    let mut main = "#![allow(dead_code)]\n".to_owned();
    for number in 0..MODULES {
        main += &format!("mod m{number};\n");
        let functions = (0..40)
            .map(|f| format!("pub fn f{f}(x: u64) -> u64 {{ x.wrapping_mul({f} + {number}) }}\n"));
        fs::write(dir.join(format!("src/m{number}.rs")), functions.collect::<String>())
            .expect("write");
    }
    main += "fn main() { let mut x = 1; ";
    (0..MODULES).for_each(|number| main += &format!("x ^= m{number}::f7(x); "));
    main += "println!(\"{x}\"); }\n";
    fs::write(dir.join("src/main.rs"), main).expect("write");
}

/// A C program with a makefile.
pub fn program_at(dir: &Path) {
    fs::create_dir_all(dir).expect("mkdir");
    let units: Vec<_> = (0..UNITS).map(|number| format!("u{number}")).collect();
    for unit in &units {
        let text = format!(
            "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint {unit}(int x) {{ return x * 3 + (int)strlen(\"{unit}\"); }}\n"
        );
        fs::write(dir.join(format!("{unit}.c")), text).expect("write");
    }
    let calls: String = units.iter().map(|unit| format!("int {unit}(int);")).collect();
    let sum: String = units.iter().map(|unit| format!(" + {unit}(1)")).collect();
    fs::write(dir.join("main.c"), format!("{calls}\nint main(void) {{ return (0{sum}) & 1; }}\n"))
        .expect("write");
    let objects: String = units.iter().map(|unit| format!(" {unit}.o")).collect();
    let makefile = format!(
        "prog: main.o{objects}\n\tcc -o prog main.o{objects}\n%.o: %.c\n\tcc -c -o $@ $<\n"
    );
    fs::write(dir.join("Makefile"), makefile).expect("write");
}

/// Packages as npm packs them, in `dir`, and the line that installs them; None without npm.
pub fn packages_at(dir: &Path) -> Option<String> {
    let has_npm = Command::new("npm").arg("--version").stdout(Stdio::null()).status();
    if !has_npm.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut line = "npm install --offline --no-audit --no-fund --silent --cache .npm".to_owned();
    for number in 0..PACKAGES {
        let package = dir.join(format!("p{number}/package"));
        fs::create_dir_all(package.join("lib")).expect("mkdir");
        let manifest = format!("{{\"name\":\"made-{number}\",\"version\":\"1.0.0\"}}");
        fs::write(package.join("package.json"), manifest).expect("write");
        for file in 0..FILES_OF_A_PACKAGE {
            let text = format!("module.exports = {file};\n").repeat(20 + file);
            fs::write(package.join(format!("lib/{file}.js")), text).expect("write");
        }
        let archive = dir.join(format!("made-{number}.tgz"));
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(&archive).arg("-C").arg(dir.join(format!("p{number}"))).arg("package");
        assert!(tar.status().expect("tar").success());
        line += &format!(" {}", archive.display());
    }
    Some(line)
}

/// How many files lie there; for what two builds must have in common.
pub fn count(dir: &Path) -> u64 {
    io::list(dir).0.len() as u64
}
