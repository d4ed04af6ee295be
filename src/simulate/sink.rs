//! Where a simulated stream goes: a file, a folder with a file per day, standard output.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::stamp;

/// Takes messages in order of delivery.
pub trait Sink {
    fn write(&mut self, delivered_at: i64, line: &[u8]) -> io::Result<()>;

    /// Everything is out when this returns.
    fn finish(&mut self) -> io::Result<()>;
}

/// Lines to one writer.
pub struct Lines<W: Write> {
    writer: Option<W>,
    end: fn(W) -> io::Result<()>,
}

impl<W: Write> Sink for Lines<W> {
    fn write(&mut self, _: i64, line: &[u8]) -> io::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.write_all(line)?;
        writer.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.take().map_or(Ok(()), self.end)
    }
}

/// A sink on a file; `.gz` and `.zst` compress.
pub fn file(path: &Path) -> io::Result<Box<dyn Sink>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let buffer = BufWriter::with_capacity(1 << 20, File::create(path)?);
    Ok(match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Box::new(Lines {
            writer: Some(flate2::write::GzEncoder::new(buffer, flate2::Compression::fast())),
            end: |encoder| encoder.finish()?.flush(),
        }),
        Some("zst") => Box::new(Lines {
            writer: Some(zstd::Encoder::new(buffer, 1)?),
            end: |encoder| encoder.finish()?.flush(),
        }),
        _ => plain(buffer),
    })
}

/// A sink on standard output or the like.
pub fn plain(writer: impl Write + 'static) -> Box<dyn Sink> {
    Box::new(Lines { writer: Some(writer), end: |mut writer| writer.flush() })
}

/// A folder with a file per day of delivery.
pub struct Folder {
    path: PathBuf,
    day: String,
    current: Option<Box<dyn Sink>>,
}

impl Folder {
    pub fn new(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Self { path: path.to_owned(), day: String::new(), current: None })
    }
}

impl Sink for Folder {
    fn write(&mut self, delivered_at: i64, line: &[u8]) -> io::Result<()> {
        let day = stamp::day(delivered_at);
        if day != self.day {
            self.finish()?;
            self.current = Some(file(&self.path.join(format!("events-{day}.jsonl")))?);
            self.day = day;
        }
        match &mut self.current {
            Some(sink) => sink.write(delivered_at, line),
            None => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.current.take().map_or(Ok(()), |mut sink| sink.finish())
    }
}

/// Keeps everything in memory, for tests.
#[cfg(test)]
#[derive(Default)]
pub struct Memory(pub Vec<Vec<u8>>);

#[cfg(test)]
impl Sink for Memory {
    fn write(&mut self, _: i64, line: &[u8]) -> io::Result<()> {
        self.0.push(line.to_vec());
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
