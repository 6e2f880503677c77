//! Reads an image from what users name: a file, a directory or an archive.

use super::frames::Frames;
use super::intake::{Intake, Refusal};
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tar::EntryType;

/// Reads everything that is at `path` into an image.
pub(super) fn read(path: &Path, intake: &mut Intake) -> Result<(), Refusal> {
    let metadata = fs::metadata(path).map_err(Refusal::unreadable(path.display().to_string()))?;
    if metadata.is_dir() {
        return read_directory(path, path, intake);
    }
    if !metadata.is_file() {
        return Err(Refusal::Whole(
            "it is neither a file nor a directory".to_owned(),
        ));
    }
    let file = File::open(path).map_err(Refusal::unreadable(path.display().to_string()))?;
    let name = path.file_name().unwrap_or_default();
    match Packing::of(&name.to_string_lossy()) {
        Packing::None => {
            let executable = metadata.permissions().mode() & 0o111 != 0;
            intake.file(Path::new(name), executable, &mut BufReader::new(file))
        }
        Packing::Tar => read_archive(BufReader::new(file), intake),
        Packing::TarGz => read_archive(MultiGzDecoder::new(BufReader::new(file)), intake),
        Packing::TarZst => {
            let frames = Frames::new(BufReader::new(file))
                .map_err(|error| Refusal::Whole(format!("it is no zstd archive: {error}")))?;
            read_archive(frames, intake)
        }
    }
}

/// How files are packed, by the name's end.
enum Packing {
    None,
    Tar,
    TarGz,
    TarZst,
}

impl Packing {
    fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        if ends(&[".tar.gz", ".tgz"]) {
            Self::TarGz
        } else if ends(&[".tar.zst", ".tzst"]) {
            Self::TarZst
        } else if ends(&[".tar"]) {
            Self::Tar
        } else {
            Self::None
        }
    }
}

fn read_directory(root: &Path, directory: &Path, intake: &mut Intake) -> Result<(), Refusal> {
    let unreadable = |path: &Path| Refusal::unreadable(path.display().to_string());
    for entry in fs::read_dir(directory).map_err(unreadable(directory))? {
        let path = entry.map_err(unreadable(directory))?.path();
        let name = path.strip_prefix(root).unwrap_or(&path);
        let metadata = fs::symlink_metadata(&path).map_err(unreadable(&path))?;
        if metadata.is_dir() {
            intake.directory(name)?;
            read_directory(root, &path, intake)?;
        } else if metadata.is_symlink() {
            intake.link(name, &fs::read_link(&path).map_err(unreadable(&path))?)?;
        } else if metadata.is_file() {
            let mut file = File::open(&path).map_err(unreadable(&path))?;
            intake.file(name, metadata.permissions().mode() & 0o111 != 0, &mut file)?;
        } else {
            return Err(Refusal::entry(
                name.display().to_string(),
                "it is a device, a socket or a pipe",
            ));
        }
    }
    Ok(())
}

fn read_archive(unpacked: impl Read, intake: &mut Intake) -> Result<(), Refusal> {
    let mut archive = tar::Archive::new(Tail::new(unpacked));
    for entry in archive.entries().map_err(broken)? {
        read_entry(&mut entry.map_err(broken)?, intake)?;
    }
    let mut tail = archive.into_inner();
    if !tail.is_marked() {
        return Err(Refusal::Whole(
            "the archive is cut off: its end is missing".to_owned(),
        ));
    }
    // What follows the end is padding; reading it makes the unpacker check its sums.
    io::copy(&mut tail, &mut io::sink())
        .map(drop)
        .map_err(broken)
}

fn read_entry<R: Read>(entry: &mut tar::Entry<'_, R>, intake: &mut Intake) -> Result<(), Refusal> {
    let path = entry.path().map_err(broken)?.into_owned();
    let target = entry
        .link_name()
        .map_err(broken)?
        .map(|target| target.into_owned());
    let name = path.display().to_string();
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let executable = entry.header().mode().map_err(broken)? & 0o111 != 0;
            intake.file(&path, executable, entry)
        }
        EntryType::Directory => intake.directory(&path),
        EntryType::Symlink => intake.link(&path, &target.unwrap_or_default()),
        EntryType::Link => intake.hard_link(&path, &target.unwrap_or_default()),
        // Headers that apply to the whole archive say nothing about content.
        EntryType::XGlobalHeader | EntryType::XHeader => Ok(()),
        EntryType::Char | EntryType::Block | EntryType::Fifo => {
            Err(Refusal::entry(name, "it is a device or a pipe"))
        }
        other => Err(Refusal::entry(
            name,
            format!("it is of a kind that no image holds ({other:?})"),
        )),
    }
}

fn broken(error: io::Error) -> Refusal {
    Refusal::Whole(format!("the archive is broken or cut off: {error}"))
}

/// Remembers whether the last block read was empty: that marks an archive's end. The reader of
/// archives takes an end without it for an end as well.
struct Tail<R> {
    source: R,
    zeros: usize,
}

/// The unit that archives are made of.
const BLOCK: usize = 512;

impl<R: Read> Tail<R> {
    fn new(source: R) -> Self {
        Self { source, zeros: 0 }
    }

    fn is_marked(&self) -> bool {
        self.zeros >= BLOCK
    }
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        let read = &buffer[..length];
        let zeros = read.iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if zeros == length {
            self.zeros + zeros
        } else {
            zeros
        };
        Ok(length)
    }
}
