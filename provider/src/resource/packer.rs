//! Packer's manifests: which image the last run of a build made.
//!
//! It reads text and knows neither files nor clouds. The format is what Packer's `manifest`
//! post-processor writes; unknown keys are left alone, because Packer adds to it.

use crate::model::ImageSource;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// Which artifact of a manifest is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    /// The file that a `file` build wrote, for the local cloud.
    File,
    /// The image that an `amazon-ebs` build registered in a region, for AWS.
    Ami {
        /// The region of the provider.
        region: &'a str,
    },
}

/// Why a manifest gives no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ManifestError {
    /// The text is not a manifest.
    #[error("it is not a Packer manifest: {0}")]
    NotAManifest(String),
    /// Nothing was built.
    #[error(
        "it lists no builds; run `packer build` with the `manifest` post-processor on every build"
    )]
    NoBuilds,
    /// The last run left nothing behind.
    #[error(
        "it lists builds, but none of its last run {0}; run `packer build` again, so that the \
         manifest is whole"
    )]
    NoBuildOfLastRun(String),
    /// The build asked for was not part of the last run.
    #[error("its last run has no build \"{wanted}\"; it has {found}")]
    NoSuchBuild {
        /// The name asked for.
        wanted: String,
        /// The names that are there.
        found: String,
    },
    /// Several builds and none was asked for.
    #[error("its last run has the builds {0}; say which one with packer_build")]
    Ambiguous(String),
    /// The build was made by a builder whose artifacts this cloud cannot run.
    #[error(
        "its build \"{build}\" was made by the builder \"{builder}\", and this cloud takes \
         images of \"{accepted}\""
    )]
    OtherBuilder {
        /// The build.
        build: String,
        /// Its builder.
        builder: String,
        /// The builder whose artifacts are accepted.
        accepted: &'static str,
    },
    /// The build has no artifact.
    #[error("its build \"{0}\" has no artifact; the build wrote nothing or removed it again")]
    NoArtifact(String),
    /// The build has several files and nothing tells which one is the image.
    #[error("its build \"{build}\" has the files {files}; only one of them can be the image")]
    SeveralFiles {
        /// The build.
        build: String,
        /// The files.
        files: String,
    },
    /// The build made no image in the provider's region.
    #[error("its build \"{build}\" has no image in {region}; it has {found}")]
    OtherRegion {
        /// The build.
        build: String,
        /// The region asked for.
        region: String,
        /// The images that are there.
        found: String,
    },
    /// The last run made nothing for what was asked.
    #[error("its last run has no build and no region \"{wanted}\"; it made {found}")]
    NoSuchArtifact {
        /// The build or region asked for.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// The last run made more than one thing for what was asked.
    #[error("its last run made {found} for \"{wanted}\"; name the one that is meant")]
    SeveralArtifacts {
        /// The build or region asked for.
        wanted: String,
        /// What is there.
        found: String,
    },
}

/// Returns what the manifest's last run made for a region or in a build: the id of an image or the
/// path of a file.
///
/// # Errors
/// It made nothing there, or more than one thing.
pub(super) fn artifact(manifest: &[u8], region_or_build: &str) -> Result<String, ManifestError> {
    let all = parse(manifest)?;
    let mut made = Vec::new();
    for build in all.last_run()? {
        made.extend(build.artifacts()?);
    }
    let wanted = |artifact: &&Artifact| {
        artifact.build == region_or_build || artifact.region.as_deref() == Some(region_or_build)
    };
    let found: Vec<&Artifact> = made.iter().filter(wanted).collect();
    let told = |artifacts: &[&Artifact]| {
        let told = artifacts.iter().map(ToString::to_string);
        told.collect::<Vec<String>>().join(", ")
    };
    match found.as_slice() {
        [only] => Ok(only.image.clone()),
        [] => Err(ManifestError::NoSuchArtifact {
            wanted: region_or_build.to_owned(),
            found: told(&made.iter().collect::<Vec<_>>()),
        }),
        several => Err(ManifestError::SeveralArtifacts {
            wanted: region_or_build.to_owned(),
            found: told(several),
        }),
    }
}

/// One thing that a build made.
#[derive(Debug)]
struct Artifact {
    build: String,
    /// The region of an image; absent: it is a file.
    region: Option<String>,
    image: String,
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (build, image) = (&self.build, &self.image);
        match &self.region {
            Some(region) => write!(f, "{image} in {region} (build \"{build}\")"),
            None => write!(f, "the file {image} (build \"{build}\")"),
        }
    }
}

/// Returns the image that the manifest's last run made; `build` names one of several builds.
///
/// # Errors
/// The manifest names no such image, or more than one; the user has to correct the manifest, the
/// build or the attribute.
pub(super) fn image_source(
    manifest: &[u8],
    build: Option<&str>,
    wanted: Wanted<'_>,
) -> Result<ImageSource, ManifestError> {
    let manifest = parse(manifest)?;
    let build = manifest.build_of_last_run(build)?;
    build.accept(wanted.builder())?;
    match wanted {
        Wanted::File => build.file().map(ImageSource::Path),
        Wanted::Ami { region } => build.ami(region).map(ImageSource::Image),
    }
}

fn parse(manifest: &[u8]) -> Result<Manifest, ManifestError> {
    serde_json::from_slice(manifest).map_err(|error| ManifestError::NotAManifest(error.to_string()))
}

impl Wanted<'_> {
    fn builder(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Ami { .. } => "amazon-ebs",
        }
    }
}

#[derive(Deserialize)]
struct Manifest {
    builds: Option<Vec<Build>>,
    last_run_uuid: String,
}

#[derive(Deserialize)]
struct Build {
    name: String,
    builder_type: String,
    files: Option<Vec<File>>,
    #[serde(default)]
    artifact_id: String,
    packer_run_uuid: String,
}

#[derive(Deserialize)]
struct File {
    name: String,
}

impl Manifest {
    /// A manifest keeps the builds of earlier runs; only the last run's are meant.
    fn last_run(&self) -> Result<Vec<&Build>, ManifestError> {
        let all = self.builds.as_deref().unwrap_or_default();
        if all.is_empty() {
            return Err(ManifestError::NoBuilds);
        }
        let is_last = |build: &&Build| build.packer_run_uuid == self.last_run_uuid;
        let last: Vec<&Build> = all.iter().filter(is_last).collect();
        if last.is_empty() {
            return Err(ManifestError::NoBuildOfLastRun(self.last_run_uuid.clone()));
        }
        Ok(last)
    }

    fn build_of_last_run(&self, wanted: Option<&str>) -> Result<&Build, ManifestError> {
        let last = self.last_run()?;
        let names = || list(last.iter().map(|build| build.name.as_str()));
        match (last.as_slice(), wanted) {
            ([only], None) => Ok(only),
            (_, None) => Err(ManifestError::Ambiguous(names())),
            (builds, Some(wanted)) => builds
                .iter()
                .find(|build| build.name == wanted)
                .copied()
                .ok_or_else(|| ManifestError::NoSuchBuild {
                    wanted: wanted.to_owned(),
                    found: names(),
                }),
        }
    }
}

impl Build {
    fn accept(&self, accepted: &'static str) -> Result<(), ManifestError> {
        if self.builder_type == accepted {
            return Ok(());
        }
        Err(ManifestError::OtherBuilder {
            build: self.name.clone(),
            builder: self.builder_type.clone(),
            accepted,
        })
    }

    /// Packer's `checksum` post-processor adds its sums to the build's files; they are no images.
    fn file(&self) -> Result<PathBuf, ManifestError> {
        let images: Vec<&str> = self
            .files
            .iter()
            .flatten()
            .map(|file| file.name.as_str())
            .filter(|name| !is_checksum(name))
            .collect();
        match images.as_slice() {
            [] => Err(ManifestError::NoArtifact(self.name.clone())),
            [image] => Ok(PathBuf::from(image)),
            several => Err(ManifestError::SeveralFiles {
                build: self.name.clone(),
                files: list(several.iter().copied()),
            }),
        }
    }

    /// Everything that the build made, whatever cloud it is for.
    fn artifacts(&self) -> Result<Vec<Artifact>, ManifestError> {
        let made = |region: Option<&str>, image: String| Artifact {
            build: self.name.clone(),
            region: region.map(str::to_owned),
            image,
        };
        if self.artifact_id.contains(':') {
            let images = self.artifact_id.split(',');
            let images = images.filter_map(|image| image.split_once(':'));
            return Ok(images
                .map(|(region, image)| made(Some(region), image.to_owned()))
                .collect());
        }
        let file = self.file()?;
        Ok(vec![made(None, file.display().to_string())])
    }

    /// The artifact is a list of `region:ami-id`.
    fn ami(&self, region: &str) -> Result<String, ManifestError> {
        if self.artifact_id.is_empty() {
            return Err(ManifestError::NoArtifact(self.name.clone()));
        }
        self.artifact_id
            .split(',')
            .filter_map(|image| image.split_once(':'))
            .find_map(|(place, image)| (place == region).then(|| image.to_owned()))
            .ok_or_else(|| ManifestError::OtherRegion {
                build: self.name.clone(),
                region: region.to_owned(),
                found: self.artifact_id.clone(),
            })
    }
}

fn is_checksum(name: &str) -> bool {
    const ENDINGS: [&str; 7] = [
        ".sum", ".md5", ".sha1", ".sha224", ".sha256", ".sha384", ".sha512",
    ];
    ENDINGS.iter().any(|ending| name.ends_with(ending)) || name.ends_with(".checksum")
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"builds":[{"name":"raw","builder_type":"file","build_time":1,
        "files":[{"name":"out/disk.raw","size":5},{"name":"out/raw.sum","size":74}],
        "artifact_id":"","packer_run_uuid":"r1","custom_data":null}],"last_run_uuid":"r1"}"#;
    const EBS: &str = r#"{"builds":[
        {"name":"app","builder_type":"amazon-ebs","files":null,"artifact_id":"us-east-1:ami-1",
         "packer_run_uuid":"r1","custom_data":{"git":"a"}},
        {"name":"app","builder_type":"amazon-ebs","files":null,
         "artifact_id":"us-east-1:ami-2,us-west-2:ami-3","packer_run_uuid":"r2"}],
        "last_run_uuid":"r2"}"#;
    const TWO: &str = r#"{"builds":[
        {"name":"api","builder_type":"file","files":[{"name":"api.tar"}],"packer_run_uuid":"r"},
        {"name":"web","builder_type":"file","files":[{"name":"web.tar"}],"packer_run_uuid":"r"}],
        "last_run_uuid":"r"}"#;

    fn check(manifest: &str, build: Option<&str>, wanted: Wanted<'_>) -> String {
        match image_source(manifest.as_bytes(), build, wanted) {
            Ok(ImageSource::Path(path)) => path.display().to_string(),
            Ok(ImageSource::Image(image)) => image,
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn the_last_run_gives_the_image() {
        let west = Wanted::Ami {
            region: "us-west-2",
        };
        let east = Wanted::Ami {
            region: "us-east-1",
        };
        for (manifest, build, wanted, image) in [
            (FILE, None, Wanted::File, "out/disk.raw"),
            (FILE, Some("raw"), Wanted::File, "out/disk.raw"),
            (EBS, None, east, "ami-2"),
            (EBS, Some("app"), west, "ami-3"),
            (TWO, Some("web"), Wanted::File, "web.tar"),
        ] {
            assert_eq!(check(manifest, build, wanted), image);
        }
    }

    #[test]
    fn an_artifact_is_named_by_its_region_or_its_build() {
        let several = EBS.replace("\"app\"", "\"eu\"");
        for (manifest, wanted, found) in [
            (FILE, "raw", "out/disk.raw"),
            (EBS, "us-east-1", "ami-2"),
            (EBS, "us-west-2", "ami-3"),
            (TWO, "web", "web.tar"),
            (
                EBS,
                "app",
                "error: its last run made ami-2 in us-east-1 (build \"app\"), ami-3 in us-west-2 \
                 (build \"app\") for \"app\"; name the one that is meant",
            ),
            (
                several.as_str(),
                "app",
                "error: its last run has no build and no region \"app\"; it made ami-2 in us-east-1 \
                 (build \"eu\"), ami-3 in us-west-2 (build \"eu\")",
            ),
            (
                "packer-manifest.json",
                "app",
                "error: it is not a Packer manifest: expected value at line 1 column 1",
            ),
        ] {
            let artifact = artifact(manifest.as_bytes(), wanted);
            let told = artifact.unwrap_or_else(|error| format!("error: {error}"));
            assert_eq!(told, found);
        }
    }

    #[test]
    fn a_manifest_without_the_image_says_what_to_change() {
        let paris = Wanted::Ami {
            region: "eu-west-3",
        };
        let rows = [
            (
                "<html>",
                None,
                Wanted::File,
                "it is not a Packer manifest: expected value",
            ),
            (
                "{}",
                None,
                Wanted::File,
                "it is not a Packer manifest: missing field",
            ),
            (
                r#"{"builds":[],"last_run_uuid":""}"#,
                None,
                Wanted::File,
                "it lists no builds",
            ),
            (
                r#"{"builds":null,"last_run_uuid":""}"#,
                None,
                Wanted::File,
                "it lists no builds",
            ),
            (TWO, None, Wanted::File, "the builds \"api\", \"web\"; say"),
            (
                TWO,
                Some("db"),
                Wanted::File,
                "no build \"db\"; it has \"api\", \"web\"",
            ),
            (
                EBS,
                None,
                Wanted::File,
                "made by the builder \"amazon-ebs\"",
            ),
            (FILE, None, paris, "takes images of \"amazon-ebs\""),
            (EBS, None, paris, "no image in eu-west-3; it has us-east-1"),
        ];
        for (manifest, build, wanted, message) in rows {
            let answer = check(manifest, build, wanted);
            assert!(
                answer.starts_with("error: ") && answer.contains(message),
                "{answer}"
            );
        }
        let stale = FILE.replace(r#""last_run_uuid":"r1""#, r#""last_run_uuid":"r9""#);
        assert!(check(&stale, None, Wanted::File).contains("none of its last run r9"));
        let empty = FILE.replace("out/disk.raw", "out/disk.sha256");
        assert!(check(&empty, None, Wanted::File).contains("has no artifact"));
        let several = FILE.replace("raw.sum", "boot.img");
        let answer = check(&several, None, Wanted::File);
        assert!(
            answer.contains("\"out/disk.raw\", \"out/boot.img\""),
            "{answer}"
        );
    }
}
