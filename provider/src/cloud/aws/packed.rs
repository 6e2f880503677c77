//! What is too long for one SSM parameter: packed, and divided over as many as it needs.

use super::failure::{Failure, Result};
use crate::cloud::ErrorKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::io::Read;

/// A standard parameter holds so much, and costs nothing.
pub(super) const LARGEST_PART: usize = 4096;
/// What is packed unpacks to at most so much: what is damaged must not fill the memory.
const LARGEST: u64 = 64 << 20;

/// Something packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    /// The hash of it.
    pub(super) digest: String,
    /// What each parameter holds, in order.
    pub(super) parts: Vec<String>,
}

/// Packs a value.
pub(super) fn pack<T: Serialize>(value: &T) -> Result<Packed> {
    let invalid = |words: String| Failure::refused(ErrorKind::Invalid, words);
    let json = serde_json::to_vec(value).map_err(|error| invalid(error.to_string()))?;
    let mut zipped = Vec::new();
    GzEncoder::new(json.as_slice(), Compression::best())
        .read_to_end(&mut zipped)
        .map_err(|error| invalid(error.to_string()))?;
    let text = STANDARD.encode(&zipped);
    let digest = Sha256::digest(&zipped);
    let digest = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
    // Base64 has no letter of more than one byte.
    let parts = text.as_bytes().chunks(LARGEST_PART);
    let parts = parts.map(|part| String::from_utf8_lossy(part).into_owned());
    Ok(Packed {
        digest: digest.collect(),
        parts: parts.collect(),
    })
}

/// Unpacks what the joined parts hold.
pub(super) fn unpack<T: DeserializeOwned>(text: &str) -> std::result::Result<T, String> {
    let zipped = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let mut json = Vec::new();
    GzDecoder::new(zipped.as_slice())
        .take(LARGEST)
        .read_to_end(&mut json)
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&json).map_err(|error| error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_the_same() {
        // Texts that a hash makes: what real ones have in common would pack better.
        let hash = |number: u32| format!("{:x?}", Sha256::digest(number.to_string()));
        let texts: Vec<String> = (0..200).map(hash).collect();
        let packed = pack(&texts).unwrap();
        assert!(packed.parts.len() > 1);
        assert!(packed.parts.iter().all(|part| part.len() <= LARGEST_PART));
        assert_eq!(
            unpack::<Vec<String>>(&packed.parts.concat()).unwrap(),
            texts
        );
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        assert!(unpack::<Vec<String>>("no base64!").is_err());
        assert!(unpack::<Vec<String>>(&STANDARD.encode("no gzip")).is_err());
    }
}
