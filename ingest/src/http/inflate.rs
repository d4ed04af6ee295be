//! [`Inflate`]: unpacks a body as it arrives, and stops where it becomes too large.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// Of a `Content-Encoding` header.
    pub fn of(header: &str) -> Option<Self> {
        match header.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    #[error("the body has more than {bytes_max} bytes, unpacked")]
    TooLarge { bytes_max: usize },
    #[error("the body is not {0}: {1}")]
    Damaged(&'static str, String),
}

/// The largest window of a zstd frame, as a power of two: 8 MiB, the most that RFC 8878 asks of a
/// decoder. A frame may ask for 128 MiB otherwise.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Unpacks what it is given. Memory: the limit, and a window.
pub struct Inflate {
    decoder: Decoder,
    bytes_max: usize,
}

enum Decoder {
    Identity(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Bounded>>),
}

/// Bytes up to a limit; the write that would pass it fails.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    passed: bool,
}

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > self.bytes_max - self.bytes.len() {
            self.passed = true;
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Inflate {
    pub fn new(encoding: Encoding, bytes_max: usize) -> Result<Self, InflateError> {
        let bounded = Bounded { bytes_max, ..Bounded::default() };
        let decoder = match encoding {
            Encoding::Identity => Decoder::Identity(bounded),
            Encoding::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(bounded))),
            Encoding::Zstd => {
                let decoder = zstd::stream::write::Decoder::new(bounded).and_then(|mut decoder| {
                    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                    Ok(decoder)
                });
                Decoder::Zstd(Box::new(decoder.map_err(|error| damaged("zstd", &error))?))
            }
        };
        Ok(Self { decoder, bytes_max })
    }

    /// Takes a part of the body.
    pub fn push(&mut self, part: &[u8]) -> Result<(), InflateError> {
        let (name, result) = match &mut self.decoder {
            Decoder::Identity(bounded) => ("readable", bounded.write_all(part)),
            Decoder::Gzip(decoder) => ("gzip", decoder.write_all(part)),
            Decoder::Zstd(decoder) => ("zstd", decoder.write_all(part)),
        };
        self.judged(name, result)
    }

    /// Bytes unpacked so far.
    pub fn bytes(&self) -> usize {
        self.bounded().bytes.len()
    }

    /// The whole body, where it ends where it should.
    pub fn finish(mut self) -> Result<Vec<u8>, InflateError> {
        let (name, result) = match &mut self.decoder {
            Decoder::Identity(_) => ("readable", Ok(())),
            Decoder::Gzip(decoder) => ("gzip", decoder.try_finish()),
            Decoder::Zstd(decoder) => ("zstd", decoder.do_finish()),
        };
        self.judged(name, result)?;
        Ok(match self.decoder {
            Decoder::Identity(bounded) => bounded.bytes,
            Decoder::Gzip(mut decoder) => std::mem::take(&mut decoder.get_mut().bytes),
            Decoder::Zstd(decoder) => decoder.into_inner().bytes,
        })
    }

    fn bounded(&self) -> &Bounded {
        match &self.decoder {
            Decoder::Identity(bounded) => bounded,
            Decoder::Gzip(decoder) => decoder.get_ref(),
            Decoder::Zstd(decoder) => decoder.get_ref(),
        }
    }

    fn judged(&self, name: &'static str, result: io::Result<()>) -> Result<(), InflateError> {
        match result {
            Ok(()) => Ok(()),
            Err(_) if self.bounded().passed => {
                Err(InflateError::TooLarge { bytes_max: self.bytes_max })
            }
            Err(error) => Err(damaged(name, &error)),
        }
    }
}

fn damaged(name: &'static str, error: &io::Error) -> InflateError {
    InflateError::Damaged(name, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("packs");
        encoder.finish().expect("packs")
    }

    fn unpack(encoding: Encoding, parts: &[&[u8]], max: usize) -> Result<Vec<u8>, InflateError> {
        let mut inflate = Inflate::new(encoding, max).expect("starts");
        for part in parts {
            inflate.push(part)?;
        }
        inflate.finish()
    }

    #[test]
    fn bodies_are_unpacked_in_parts_and_up_to_the_limit() {
        let text: Vec<u8> = (0..10_000_u32).flat_map(u32::to_le_bytes).collect();
        let zstd = zstd::stream::encode_all(text.as_slice(), 3).expect("packs");
        for (encoding, packed) in [
            (Encoding::Identity, text.clone()),
            (Encoding::Gzip, gzip(&text)),
            (Encoding::Zstd, zstd),
        ] {
            let (front, back) = packed.split_at(packed.len() / 2);
            assert_eq!(unpack(encoding, &[front, back], text.len()), Ok(text.clone()));
            let short = text.len() - 1;
            let refused = unpack(encoding, &[front, back], short);
            assert_eq!(refused, Err(InflateError::TooLarge { bytes_max: short }), "{encoding:?}");
        }
    }

    #[test]
    fn what_is_cut_or_no_archive_is_said_to_be() {
        let text = vec![7_u8; 100_000];
        let zstd = zstd::stream::encode_all(text.as_slice(), 3).expect("packs");
        for (encoding, packed) in [(Encoding::Gzip, gzip(&text)), (Encoding::Zstd, zstd)] {
            let cut = unpack(encoding, &[&packed[..packed.len() - 5]], 1 << 20);
            assert!(matches!(cut, Err(InflateError::Damaged(..))), "{encoding:?}: {cut:?}");
            let wrong = unpack(encoding, &[b"{\"a\":1} and no archive"], 1 << 20);
            assert!(matches!(wrong, Err(InflateError::Damaged(..))), "{encoding:?}: {wrong:?}");
        }
        assert_eq!(Encoding::of("GZIP"), Some(Encoding::Gzip));
        assert_eq!(Encoding::of("br"), None);
    }

    #[test]
    fn a_bomb_takes_no_more_memory_than_the_limit() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let block = vec![0_u8; 1 << 20];
        for _ in 0..256 {
            encoder.write_all(&block).expect("packs");
        }
        let bomb = encoder.finish().expect("packs");
        let mut inflate = Inflate::new(Encoding::Gzip, 1 << 20).expect("starts");
        let refused = inflate.push(&bomb);
        assert_eq!(refused, Err(InflateError::TooLarge { bytes_max: 1 << 20 }));
        assert!(inflate.bounded().bytes.capacity() <= 2 << 20);
    }
}
