//! Rows of a CSV file, of a JSON lines file, or of stdin, each readable again from a committed position on.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use csv::ByteRecord;

use super::position::Position;

/// Read-ahead of files.
const BUFFER: usize = 256 * 1024;

/// Where rows come from.
#[derive(Debug)]
pub(super) enum Source {
    Csv(Box<CsvFile>),
    Lines(LinesFile),
    Stdin(Stdin),
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'a> {
    /// Fields of a CSV record, in the order of the header.
    Fields(&'a ByteRecord),
    /// One JSON value.
    Json(&'a [u8]),
}

impl Source {
    /// Reads the next row; `false` at the end.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        match self {
            Source::Csv(csv) => csv
                .reader
                .read_byte_record(&mut csv.record)
                .map_err(into_io),
            Source::Lines(lines) => lines.advance(),
            Source::Stdin(stdin) => stdin.advance(),
        }
    }

    /// The row read last.
    pub(super) fn row(&self) -> Row<'_> {
        match self {
            Source::Csv(csv) => Row::Fields(&csv.record),
            Source::Lines(lines) => Row::Json(&lines.line),
            Source::Stdin(stdin) => Row::Json(&stdin.current),
        }
    }

    /// The line on which the row read last starts.
    pub(super) fn line(&self) -> u64 {
        match self {
            Source::Csv(csv) => csv
                .record
                .position()
                .map_or(0, |at| at.line() + csv.line_offset),
            Source::Lines(lines) => lines.next_line - 1,
            Source::Stdin(stdin) => stdin.line,
        }
    }

    /// Byte and line at which the next row starts.
    pub(super) fn place(&self) -> (u64, u64) {
        match self {
            Source::Csv(csv) => (csv.reader.position().byte(), csv.reader.position().line()),
            Source::Lines(lines) => (lines.next_byte, lines.next_line),
            Source::Stdin(stdin) => (stdin.bytes, stdin.line + 1),
        }
    }

    /// Goes back (or ahead) to a committed position.
    pub(super) fn rewind(&mut self, position: &Position) -> io::Result<()> {
        match self {
            Source::Csv(csv) => {
                let mut at = csv::Position::new();
                at.set_byte(position.byte)
                    .set_line(position.line)
                    .set_record(position.row + 1);
                csv.reader.seek(at).map_err(into_io)
            }
            Source::Lines(lines) => {
                lines.reader.seek(SeekFrom::Start(position.byte))?;
                (lines.next_byte, lines.next_line) = (position.byte, position.line);
                Ok(())
            }
            Source::Stdin(stdin) => {
                stdin.rewind(position.row);
                Ok(())
            }
        }
    }

    /// Rows up to here will not be asked for again.
    pub(super) fn committed(&mut self, position: &Position) {
        match self {
            Source::Csv(_) | Source::Lines(_) => {}
            Source::Stdin(stdin) => stdin.forget(position.row),
        }
    }
}

fn into_io(error: csv::Error) -> io::Error {
    if !error.is_io_error() {
        return io::Error::new(io::ErrorKind::InvalidData, error);
    }
    error.into()
}

/// A CSV file with a header row.
#[derive(Debug)]
pub(super) struct CsvFile {
    reader: csv::Reader<File>,
    record: ByteRecord,
    /// After CRLF the reader stands before the LF, so that its line is one less than the row's.
    line_offset: u64,
    /// Names of the columns.
    pub(super) header: Vec<String>,
}

impl CsvFile {
    /// Opens a file and reads its header row.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut reader = csv::ReaderBuilder::new()
            .buffer_capacity(BUFFER)
            // A row with a field too many or too few is reported as a row, not as the end of the file.
            .flexible(true)
            .from_reader(File::open(path)?);
        let names = reader.byte_headers().map_err(into_io)?;
        let text = |name: &[u8]| String::from_utf8_lossy(name).trim().to_owned();
        let mut header: Vec<String> = names.iter().map(text).collect();
        if let Some(first) = header.first_mut() {
            // Spreadsheets write a byte order mark; the quotes around the first name may hold it.
            *first = first.trim_start_matches('\u{feff}').to_owned();
        }
        let line_offset = u64::from(has_crlf(path)?);
        Ok(Self {
            reader,
            record: ByteRecord::new(),
            line_offset,
            header,
        })
    }

    /// Where the first row starts.
    pub(super) fn start(&self) -> Position {
        Position::start(self.reader.position().byte(), self.reader.position().line())
    }
}

/// Whether the first line ends as Windows has it.
fn has_crlf(path: &Path) -> io::Result<bool> {
    let mut line = Vec::new();
    BufReader::new(File::open(path)?).read_until(b'\n', &mut line)?;
    Ok(line.ends_with(b"\r\n"))
}

/// A JSON lines file; blank lines are no rows.
#[derive(Debug)]
pub(super) struct LinesFile {
    reader: BufReader<File>,
    line: Vec<u8>,
    next_byte: u64,
    next_line: u64,
}

impl LinesFile {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let reader = BufReader::with_capacity(BUFFER, File::open(path)?);
        Ok(Self {
            reader,
            line: Vec::new(),
            next_byte: 0,
            next_line: 1,
        })
    }

    fn advance(&mut self) -> io::Result<bool> {
        loop {
            self.line.clear();
            let read = self.reader.read_until(b'\n', &mut self.line)?;
            if read == 0 {
                return Ok(false);
            }
            self.next_byte += u64::try_from(read).unwrap_or(u64::MAX);
            self.next_line += 1;
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }
}

/// Stdin cannot be read twice: what is not committed yet is kept.
#[derive(Debug, Default)]
pub(super) struct Stdin {
    current: Vec<u8>,
    line: u64,
    bytes: u64,
    /// Rows since the last commit, with their lines; the first is row `first`, `given` of them were given out.
    kept: VecDeque<(u64, Vec<u8>)>,
    first: u64,
    given: usize,
}

impl Stdin {
    fn advance(&mut self) -> io::Result<bool> {
        if self.given == self.kept.len() && !self.read()? {
            return Ok(false);
        }
        let (line, row) = &self.kept[self.given];
        self.line = *line;
        self.current.clone_from(row);
        self.given += 1;
        Ok(true)
    }

    fn read(&mut self) -> io::Result<bool> {
        let mut next = self.kept.back().map_or(self.line, |(line, _)| *line) + 1;
        loop {
            let mut row = Vec::new();
            let read = io::stdin().lock().read_until(b'\n', &mut row)?;
            if read == 0 {
                return Ok(false);
            }
            self.bytes += u64::try_from(read).unwrap_or(u64::MAX);
            if !row.trim_ascii().is_empty() {
                self.kept.push_back((next, row));
                return Ok(true);
            }
            next += 1;
        }
    }

    fn rewind(&mut self, row: u64) {
        self.forget(row);
        self.given = 0;
    }

    fn forget(&mut self, row: u64) {
        while self.first < row && self.kept.pop_front().is_some() {
            self.first += 1;
            self.given = self.given.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("f");
        std::fs::write(&path, text).expect("written");
        (dir, path)
    }

    fn rest(source: &mut Source) -> Vec<(u64, String)> {
        let mut rows = Vec::new();
        while source.advance().expect("reads") {
            let text = match source.row() {
                Row::Fields(record) => {
                    let fields: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
                    fields.join("|")
                }
                Row::Json(line) => String::from_utf8_lossy(line).trim().to_owned(),
            };
            rows.push((source.line(), text));
        }
        rows
    }

    /// From the position after `n` rows the rest is what the rest was, on whichever row one stops.
    fn resumes_everywhere(open: impl Fn() -> (Source, Position)) {
        let (mut whole, _) = open();
        let all = rest(&mut whole);
        for n in 0..=all.len() {
            let (mut source, mut position) = open();
            for _ in 0..n {
                assert!(source.advance().expect("reads"));
                position.row += 1;
                (position.byte, position.line) = source.place();
            }
            let (mut again, _) = open();
            again.rewind(&position).expect("rewinds");
            assert_eq!(rest(&mut again), all[n..], "after {n} rows");
            source.rewind(&position).expect("rewinds");
            assert_eq!(rest(&mut source), all[n..], "after {n} rows, in place");
        }
    }

    #[test]
    fn csv_rows_are_found_again_after_quotes_line_breaks_and_crlf() {
        let (_dir, path) = file("\u{feff}a,b\r\n1,\"x\r\ny\"\r\n\"2,2\",z\r\n\r\n3\r\n4,w");
        let open = || {
            let csv = CsvFile::open(&path).expect("opens");
            assert_eq!(csv.header, ["a", "b"]);
            let start = csv.start();
            (Source::Csv(Box::new(csv)), start)
        };
        let (mut source, _) = open();
        let rows = rest(&mut source);
        let texts: Vec<&str> = rows.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["1|x\r\ny", "2,2|z", "3", "4|w"]);
        assert_eq!(rows[0].0, 2);
        resumes_everywhere(open);
    }

    #[test]
    fn json_lines_are_found_again_and_blank_ones_are_none() {
        let (_dir, path) = file("{\"a\":1}\n\n{\"a\":2}\r\n  \n{\"a\":3}");
        let open = || {
            let lines = LinesFile::open(&path).expect("opens");
            (Source::Lines(lines), Position::start(0, 1))
        };
        let (mut source, _) = open();
        let rows = rest(&mut source);
        let lines: Vec<u64> = rows.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 3, 5]);
        resumes_everywhere(open);
    }

    #[test]
    fn stdin_keeps_what_is_not_committed() {
        let mut stdin = Stdin::default();
        for n in 1..=4_u64 {
            stdin.kept.push_back((n, n.to_string().into_bytes()));
        }
        let next = |stdin: &mut Stdin| {
            assert!(stdin.given < stdin.kept.len());
            assert!(stdin.advance().expect("kept"));
            String::from_utf8(stdin.current.clone()).expect("text")
        };
        assert_eq!(next(&mut stdin), "1");
        assert_eq!(next(&mut stdin), "2");
        assert_eq!(next(&mut stdin), "3");
        stdin.forget(2);
        assert_eq!(next(&mut stdin), "4");
        stdin.rewind(2);
        assert_eq!(next(&mut stdin), "3");
        stdin.rewind(3);
        assert_eq!(next(&mut stdin), "4");
    }
}
