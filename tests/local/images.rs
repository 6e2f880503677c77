//! Images, packed in every way, and those that cannot be images.

use crate::place::{Place, words};
use immutable::cloud::{Cloud, ErrorKind, NewRelease};
use immutable::model::{ImageSource, ReleaseId};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory with a program, a file and a link.
fn tree(place: &Place) -> PathBuf {
    let root = place.root.path().join("tree");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::write(root.join("bin/web"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("bin/web"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(root.join("notes"), "some notes\n").unwrap();
    symlink("bin/web", root.join("web")).unwrap();
    root
}

fn run(directory: &Path, program: &str, arguments: &[&str]) {
    assert!(
        Command::new(program)
            .args(arguments)
            .current_dir(directory)
            .status()
            .unwrap()
            .success(),
        "{program} {arguments:?}"
    );
}

async fn digest(place: &Place, path: PathBuf) -> String {
    place
        .cloud
        .inspect(&ImageSource::Path(path))
        .await
        .unwrap()
        .digest
}

#[tokio::test]
async fn the_digest_is_of_the_content_not_of_the_packing() {
    let place = Place::new();
    let root = tree(&place);
    let expected = digest(&place, root.clone()).await;
    run(&root, "tar", &["-cf", "../a.tar", "."]);
    run(
        &root,
        "tar",
        &[
            "-czf",
            "../b.tar.gz",
            "--owner=7",
            "--mtime=2001-01-01",
            "web",
            "notes",
            "bin/web",
        ],
    );
    run(
        &root,
        "tar",
        &["-cf", "../c.tar", "--format=posix", "bin", "notes", "web"],
    );
    let mut packed = vec!["a.tar", "b.tar.gz", "c.tar"];
    // Compressed by hand in one raw block: the machine need not have zstd.
    fs::write(
        place.root.path().join("d.tar.zst"),
        zstd(&fs::read(place.root.path().join("c.tar")).unwrap()),
    )
    .unwrap();
    packed.push("d.tar.zst");
    let whole = fs::read(place.root.path().join("c.tar")).unwrap();
    let (first, second) = whole.split_at(700);
    let nothing: &[u8] = &[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let frames = [nothing, &zstd(first), nothing, &zstd(second)].concat();
    fs::write(place.root.path().join("e.tar.zst"), frames).unwrap();
    packed.push("e.tar.zst");
    for name in packed {
        assert_eq!(
            digest(&place, place.root.path().join(name)).await,
            expected,
            "{name}"
        );
    }
    fs::set_permissions(root.join("notes"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_ne!(digest(&place, root).await, expected);
}

/// Wraps bytes into a zstd frame without compressing them.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    let blocks: Vec<&[u8]> = bytes.chunks(64 << 10).collect();
    for (index, block) in blocks.iter().enumerate() {
        let last = u32::from(index + 1 == blocks.len());
        let header = (u32::try_from(block.len()).unwrap() << 3) | last;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(*block);
    }
    frame
}

/// Writes an archive with one entry that honest tools refuse to make.
fn archive(place: &Place, name: &str, kind: tar::EntryType, path: &str, link: &str) -> PathBuf {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(0);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend([0; 1024]);
    let file = place.root.path().join(name);
    fs::write(&file, bytes).unwrap();
    file
}

#[tokio::test]
async fn what_cannot_be_an_image_is_refused_with_the_entry_at_fault() {
    use tar::EntryType::{Char, Fifo, Link, Regular, Symlink};
    let place = Place::new();
    let root = place.root.path();
    let out = root.join("out");
    fs::create_dir(&out).unwrap();
    symlink("/etc/passwd", out.join("escape")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(
        root.join("text.tar"),
        "this is no archive, however long the text may be made to look",
    )
    .unwrap();
    fs::write(root.join("text.tar.gz"), "nor is this").unwrap();
    fs::write(root.join("text.tar.zst"), "nor is this").unwrap();
    run(&tree(&place), "tar", &["-cf", "../whole.tar", "."]);
    run(
        &tree_of_noise(&place),
        "tar",
        &["-czf", "../whole.tar.gz", "."],
    );
    let content = fs::read(root.join("whole.tar")).unwrap();
    let mut frame = zstd(&content);
    frame[4] |= 0x04; // A sum follows, and it is wrong.
    frame.extend([0; 4]);
    let sum = root.join("sum.tar.zst");
    fs::write(&sum, frame).unwrap();
    let cut = |from: &str, to: &str, length: usize| {
        let bytes = fs::read(root.join(from)).unwrap();
        fs::write(root.join(to), &bytes[..length.min(bytes.len() - 1)]).unwrap();
        root.join(to)
    };
    let cases = [
        (root.join("missing"), ErrorKind::NotFound, "missing"),
        (root.join("empty"), ErrorKind::Invalid, "no file in it"),
        (
            out,
            ErrorKind::Invalid,
            "escape: it is a symbolic link to /etc/passwd, out of the image",
        ),
        (
            archive(&place, "up.tar", Regular, "../evil", ""),
            ErrorKind::Invalid,
            "../evil: its path leads out",
        ),
        (
            archive(&place, "root.tar", Regular, "/etc/evil", ""),
            ErrorKind::Invalid,
            "/etc/evil: its path is absolute",
        ),
        (
            archive(&place, "link.tar", Symlink, "a/b", "../../c"),
            ErrorKind::Invalid,
            "a/b: it is a symbolic link to ../../c",
        ),
        (
            archive(&place, "dots.tar", Symlink, "a/b", "c/../../d"),
            ErrorKind::Invalid,
            "with \"..\" after a name",
        ),
        (
            archive(&place, "hard.tar", Link, "a", "/etc/passwd"),
            ErrorKind::Invalid,
            "a: it is a hard link to /etc/passwd",
        ),
        (
            archive(&place, "gone.tar", Link, "a", "b"),
            ErrorKind::Invalid,
            "no earlier file",
        ),
        (
            archive(&place, "device.tar", Char, "null", ""),
            ErrorKind::Invalid,
            "null: it is a device",
        ),
        (
            archive(&place, "pipe.tar", Fifo, "pipe", ""),
            ErrorKind::Invalid,
            "pipe: it is a device or a pipe",
        ),
        (
            root.join("text.tar"),
            ErrorKind::Invalid,
            "broken or cut off",
        ),
        (
            root.join("text.tar.gz"),
            ErrorKind::Invalid,
            "broken or cut off",
        ),
        (
            root.join("text.tar.zst"),
            ErrorKind::Invalid,
            "no zstd archive",
        ),
        (sum, ErrorKind::Invalid, "not what its sum says"),
        (
            cut("whole.tar", "cut-1.tar", 2048),
            ErrorKind::Invalid,
            "cut off",
        ),
        (
            cut("whole.tar", "cut-2.tar", 700),
            ErrorKind::Invalid,
            "cut off",
        ),
        (
            cut("whole.tar.gz", "cut-3.tar.gz", 9000),
            ErrorKind::Invalid,
            "",
        ),
    ];
    for (path, kind, expected) in cases {
        let name = path.display().to_string();
        let id = ReleaseId::new("web".parse().unwrap(), "1").unwrap();
        let source = ImageSource::Path(path);
        let looked = place.cloud.inspect(&source).await.unwrap_err();
        let taken = place
            .cloud
            .import(&NewRelease {
                id,
                source,
                provenance: BTreeMap::new(),
            })
            .await
            .unwrap_err();
        for error in [looked, taken] {
            assert_eq!(error.kind, kind, "{name}: {}", words(&error));
            assert!(
                words(&error).contains(expected),
                "{name}: {}",
                words(&error)
            );
        }
    }
    let images = fs::read_dir(place.state().join("images"))
        .map(Iterator::count)
        .unwrap_or(0);
    assert_eq!(images, 0, "nothing half-made stays");
}

/// Content that does not compress, so that a cut is in the middle of something.
fn tree_of_noise(place: &Place) -> PathBuf {
    let root = place.root.path().join("noise");
    fs::create_dir(&root).unwrap();
    let mut state = 1_u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(20_000)
    .collect();
    fs::write(root.join("noise"), bytes).unwrap();
    root
}

#[tokio::test]
async fn a_link_to_itself_is_named() {
    let place = Place::new();
    let root = tree(&place);
    let link = root.join("self");
    symlink("self", &link).unwrap();
    let error = place
        .cloud
        .inspect(&ImageSource::Path(link))
        .await
        .unwrap_err();
    assert!(words(&error).contains("self"), "{}", words(&error));
}
