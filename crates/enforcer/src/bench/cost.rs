//! What record validation costs: one thing changed at a time, each against a bare copy of the same records.

use super::{
    BenchError, BenchOptions, Row,
    events::Events,
    rounds::{Bench, How, Setup, Side},
};
use contract::spec::Encoding;

/// Rounds of each row: there are many rows.
const ROUNDS: usize = 3;

/// Bytes of the remark: events of some 100, 300 and 2,100 bytes.
const SIZES: [usize; 3] = [20, 205, 2_000];

/// Of the middle size, in large batches, not compressed.
const USUAL: Case = Case {
    remark: SIZES[1],
    chunk: 10_000,
    compression: "uncompressed",
};

/// Events of which batches of a partition hold about ten.
const SMALL_CHUNK: usize = 40;

#[derive(Debug, Clone, Copy)]
struct Case {
    remark: usize,
    chunk: usize,
    compression: &'static str,
}

impl Case {
    fn label(&self) -> String {
        let batches = if self.chunk == USUAL.chunk {
            "large"
        } else {
            "small"
        };
        format!("{} batches, {}", batches, self.compression)
    }
}

pub(super) fn rows(
    bench: &mut Bench,
    options: &BenchOptions,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    let sized = SIZES.map(|remark| Case { remark, ..USUAL });
    let others = [
        Case {
            chunk: SMALL_CHUNK,
            ..USUAL
        },
        Case {
            compression: "lz4",
            ..USUAL
        },
        Case {
            compression: "zstd",
            ..USUAL
        },
    ];
    // Told to nobody: a broker that has just started is slow.
    compared(bench, options, ("copy-cold", USUAL), Encoding::Avro, say)?;
    let mut rows = Vec::new();
    for (at, case) in sized.into_iter().chain(others).enumerate() {
        for encoding in [Encoding::Avro, Encoding::Json, Encoding::Protobuf] {
            // Each its own inbox: it is read from its beginning.
            let copy = format!("copy-{}-{at}", encoding.name());
            rows.extend(compared(bench, options, (&copy, case), encoding, say)?);
        }
    }
    Ok(rows)
}

fn compared(
    bench: &mut Bench,
    options: &BenchOptions,
    (copy, case): (&str, Case),
    encoding: Encoding,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    let events = Events::new(encoding, options.cost_events).with_remark(case.remark);
    let name = |what: &str| format!("{what}, {}, {}", encoding.name(), case.label());
    let mut sides = vec![
        Side::new(name("schema"), events),
        Side::new(name("schema and 3 rules"), events.with_rules()),
    ];
    // JSON need not be framed, and is not here.
    if encoding == Encoding::Avro {
        let mut framing = Side::new(name("framing"), events);
        framing.how = How::Framing;
        sides.push(framing);
    }
    let setup = Setup {
        chunk: case.chunk,
        compression: case.compression,
        ..Setup::new(ROUNDS)
    };
    let mut rows = bench.compare(copy, &sides, &setup, say)?;
    for row in &mut rows {
        if row.name == copy {
            row.name = name("copy");
        }
        if row.against.is_some() {
            row.against = Some(name("copy"));
        }
    }
    Ok(rows)
}
