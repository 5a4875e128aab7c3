use crate::gitrepo::{World, git};
use toft::git::{Git, Repo};
use toft::sys::OsDisk;

#[test]
fn many_packs_become_few_and_no_object_is_lost_not_even_to_an_old_handle() {
    let world = World::new();
    let gitdir = world.gitdir("w.git");
    let repo = Repo::open(&gitdir).unwrap();
    let packs = || {
        std::fs::read_dir(gitdir.join("objects/pack"))
            .unwrap()
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "pack"))
            .count()
    };
    let mut blobs = Vec::new();
    for number in 0..60_u32 {
        let mut writer = repo.writer();
        // Reachable from nothing: nobody but us knows that they are wanted.
        blobs.push(writer.blob(&number.to_le_bytes()).unwrap());
        writer.finish(&OsDisk::default()).unwrap();
        if number == 30 {
            assert!(!Git::new(&gitdir, None).consolidate().unwrap(), "not many enough");
        }
    }
    let old = Repo::open(&gitdir).unwrap();
    assert!(old.exists(blobs[0]));
    assert!(Git::new(&gitdir, None).consolidate().unwrap());
    assert!(packs() < 10, "{}", packs());
    for (number, blob) in blobs.iter().enumerate() {
        let bytes = u32::try_from(number).unwrap().to_le_bytes();
        assert_eq!(old.blob(*blob).unwrap(), bytes);
        assert_eq!(Repo::open(&gitdir).unwrap().blob(*blob).unwrap(), bytes);
    }
    git(&gitdir, &["fsck", "--strict"]);
}
