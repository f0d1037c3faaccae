//! What the user sees while a file is published: a bar, bad rows, and that a broker is being waited for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::position::Position;
use super::rows::BadRow;

/// Bad rows shown one by one; all are counted.
const SHOWN: u64 = 20;
/// Silence after which somebody wants to know why.
const SILENCE: Duration = Duration::from_secs(3);

/// Progress of a run, shared by the thread that sends and the one that watches.
#[derive(Debug)]
pub(super) struct Meter {
    bar: ProgressBar,
    born: Instant,
    /// Milliseconds after birth at which something moved last.
    beat: AtomicU64,
    waiting: AtomicBool,
    shown: AtomicU64,
    /// Rows up to this one have been reported: a row that is read again is not told again.
    reported: AtomicU64,
}

/// What other programs write for a missing value.
const USUAL_NULLS: [&str; 6] = ["NA", "N/A", "NULL", "null", "NaN", "None"];

impl Meter {
    /// A meter over `size` bytes, where that is known.
    pub(super) fn new(size: Option<u64>) -> Self {
        let (bar, template) = match size {
            Some(size) => (
                ProgressBar::new(size),
                "{bar:30} {percent:>3}%  {msg}  {elapsed} elapsed, {eta} left",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {msg}  {elapsed} elapsed",
            ),
        };
        let style = ProgressStyle::with_template(template).expect("the template is well formed");
        bar.set_style(style);
        Self {
            bar,
            born: Instant::now(),
            beat: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
            shown: AtomicU64::new(0),
            reported: AtomicU64::new(0),
        }
    }

    /// Something moved.
    pub(super) fn beat(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat.store(now, Ordering::Relaxed);
        if self.waiting.swap(false, Ordering::Relaxed) {
            self.say("the broker answers again; going on");
        }
    }

    /// Rows were committed.
    pub(super) fn committed(&self, position: &Position) {
        self.beat();
        self.bar.set_position(position.byte);
        let skipped = match position.skipped {
            0 => String::new(),
            skipped => format!(", {skipped} skipped"),
        };
        self.bar
            .set_message(format!("{} rows{skipped}", position.row));
    }

    /// An earlier run has published the rows up to here.
    pub(super) fn resumed(&self, file: &str, position: &Position) {
        let row = position.row;
        self.say(&format!(
            "{file}: going on after row {row}, as published before"
        ));
    }

    /// A row that cannot be sent.
    pub(super) fn bad_row(&self, row: u64, line: u64, reasons: &[BadRow]) {
        if self.reported.fetch_max(row, Ordering::Relaxed) >= row {
            return;
        }
        for reason in reasons {
            let shown = self.shown.fetch_add(1, Ordering::Relaxed);
            if shown < SHOWN {
                self.say(&format!("row {row}, line {line}: {reason}"));
                if shown == 0 && USUAL_NULLS.contains(&reason.value.as_str()) {
                    let found = &reason.value;
                    self.say(&format!(
                        "if `{found}` stands for a missing value, say --null-value {found}"
                    ));
                }
            } else if shown == SHOWN {
                self.say("more rows cannot be typed; they are counted");
            }
        }
    }

    /// Prints a line above the bar.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Says that a broker is away, once per absence.
    pub(super) fn waiting(&self, why: &str) {
        if !self.waiting.swap(true, Ordering::Relaxed) {
            self.say(&format!(
                "the broker does not answer ({why}); waiting, it goes on by itself"
            ));
        }
    }

    /// Looks whether something moved of late; to be called now and then.
    pub(super) fn watch(&self) {
        self.bar.tick();
        let beat = Duration::from_millis(self.beat.load(Ordering::Relaxed));
        let silence = self.born.elapsed().saturating_sub(beat);
        if silence > SILENCE {
            self.waiting(&format!("nothing for {} s", silence.as_secs()));
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
