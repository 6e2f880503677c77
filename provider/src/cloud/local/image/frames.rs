//! Reads what is packed with zstd: every frame, each held against its sum.
//!
//! The library reads one frame, and computes its sum without comparing it to the one that is told.
//! An archive may have many frames, as tools that pack in parallel or for seeking make them, with
//! frames between them that hold nothing (RFC 8878, 3.1).

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, Read};

/// The content of all frames, one after the other.
pub(super) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    is_open: bool,
}

impl<R: BufRead> Frames<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// It does not begin with a frame: this is nothing that was packed with zstd.
    pub(super) fn new(source: R) -> io::Result<Self> {
        let mut frames = Self {
            source,
            decoder: FrameDecoder::new(),
            is_open: false,
        };
        frames.open()?;
        Ok(frames)
    }

    /// Goes to the next frame with content, if there is one.
    fn open(&mut self) -> io::Result<()> {
        self.is_open = false;
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    self.is_open = true;
                    return Ok(());
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => self.skip(length)?,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(())
    }

    fn skip(&mut self, length: u32) -> io::Result<()> {
        let mut frame = self.source.by_ref().take(length.into());
        match io::copy(&mut frame, &mut io::sink())? {
            skipped if skipped == u64::from(length) => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// What is left of a frame's content, as far as the buffer holds it; 0: the frame is over.
    fn read_frame(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let decoder = &mut self.decoder;
        while decoder.can_collect() == 0 && !decoder.is_finished() {
            decoder
                .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(io::Error::other)?;
        }
        decoder.read(buffer)
    }

    fn check_sum(&self) -> io::Result<()> {
        let told = self.decoder.get_checksum_from_data();
        if told.is_some() && told != self.decoder.get_calculated_checksum() {
            return Err(io::Error::other("the content is not what its sum says"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.is_open && !buffer.is_empty() {
            match self.read_frame(buffer)? {
                0 => {
                    self.check_sum()?;
                    self.open()?;
                }
                read => return Ok(read),
            }
        }
        Ok(0)
    }
}
