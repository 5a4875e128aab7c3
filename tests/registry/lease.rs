use crate::support::{record, registry};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use toft::registry::{Holder, Lease, RegistryError};

#[test]
fn the_second_one_is_refused_and_told_who_holds_it() {
    let (_dir, registry) = registry();
    let id = registry.create(record).unwrap().id;
    let paths = registry.paths(&id);
    assert_eq!(registry.holder(&id).unwrap(), None);
    let lease = Lease::acquire(&paths).unwrap();
    let Err(RegistryError::Held(holder)) = Lease::acquire(&paths) else { panic!("taken twice") };
    assert_eq!(holder.pid, std::process::id());
    assert_eq!(registry.holder(&id).unwrap(), Some(holder));
    assert!(matches!(registry.remove(&id), Err(RegistryError::Held(_))));
    drop(lease);
    assert_eq!(registry.holder(&id).unwrap(), None);
    drop(Lease::acquire(&paths).unwrap());
}

#[test]
fn a_holder_that_was_killed_holds_nothing() {
    let (_dir, registry) = registry();
    let id = registry.create(record).unwrap().id;
    let paths = registry.paths(&id);
    drop(Lease::acquire(&paths).unwrap());
    let mut child = Command::new("sh")
        .args(["-c", "exec 9<>\"$1\"; flock -n 9 && echo held; exec sleep 600", "sh"])
        .arg(paths.lock())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    // It did not write who it is.
    let Err(RegistryError::Held(holder)) = Lease::acquire(&paths) else { panic!("taken twice") };
    assert_eq!(holder.to_string(), "process unknown");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(Lease::acquire(&paths).unwrap());
}

#[test]
fn a_recycled_process_number_is_not_believed() {
    let now = Holder::current().unwrap();
    assert!(now.is_alive());
    let earlier = Holder { start_ticks: now.start_ticks - 1, ..now.clone() };
    let other_boot = Holder { boot_id: "00000000".into(), ..now.clone() };
    assert!(!earlier.is_alive() && !other_boot.is_alive());

    let (_dir, registry) = registry();
    let id = registry.create(record).unwrap().id;
    let paths = registry.paths(&id);
    let _lease = Lease::acquire(&paths).unwrap();
    std::fs::write(paths.lock(), serde_json::to_vec(&earlier).unwrap()).unwrap();
    assert_eq!(registry.holder(&id).unwrap().unwrap().pid, 0);
}
