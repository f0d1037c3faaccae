//! On a port: each promise beside what was measured of it, and who reads it.

use super::layout::{number, timestamp};
use crate::api::time_text;
use crate::observed::PortSlo;
use contract::sla::{Consumer, Standing, State};
use maud::{Markup, html};

/// Size of a line of figures, in its own units.
const WIDTH: f64 = 120.0;
/// See [`WIDTH`].
const HEIGHT: f64 = 24.0;

/// The promises as a table.
pub(crate) fn promises(slo: &PortSlo) -> Markup {
    html! {
        @if slo.standings.is_empty() {
            p.faint { "Nothing is promised." }
        } @else {
            div.table {
                table.fields {
                    thead { tr {
                        th { "Promise" } th { "Promised" } th { "Measured" } th { "State" } th { "Last 24 h" } th { "Last windows" }
                    } }
                    tbody { @for standing in &slo.standings { (row(standing)) } }
                }
            }
            (footnote(slo))
        }
    }
}

fn row(standing: &Standing) -> Markup {
    let class = match standing.state {
        State::Kept => "badge active",
        State::Broken => "badge paused",
        State::Breached => "badge stalled",
        State::NoWindow | State::NotMeasured => "badge",
    };
    html! {
        tr {
            th scope="row" { (standing.name) }
            td { (standing.promised) }
            td.num { @match standing.measured {
                Some(figure) => { (figure_text(figure)) " " (standing.unit) },
                None => span.faint { "–" },
            } }
            td {
                span class=(class) { (standing.state.as_str()) }
                @if let Some(why) = &standing.why { br; span.faint { (why) } }
            }
            td { (day(standing)) }
            td { (sparkline(standing)) }
        }
    }
}

fn day(standing: &Standing) -> Markup {
    html! {
        @if let Some(percent) = standing.kept_percent {
            (figure_text(percent)) " % of " (number(standing.kept + standing.broken)) @if standing.kept + standing.broken == 1 { " window kept" } @else { " windows kept" }
        } @else { span.faint { "–" } }
        @if let Some(budget) = &standing.budget {
            br;
            span.faint { (figure_text(budget.left_percent)) " % of the error budget left" }
        }
    }
}

fn footnote(slo: &PortSlo) -> Markup {
    html! {
        p.faint {
            @match (slo.window_ms, slo.to_ms) {
                (Some(length), Some(to)) => {
                    "Measured by the observer in windows of " (figure_text(seconds(length))) " s; the last one ended "
                    (timestamp(&time_text(to))) "."
                },
                _ => {
                    "No window has ended yet: an observer measures what is promised (" code { "meshlog observer" } ")."
                },
            }
        }
    }
}

/// Who reads the port, as their groups' positions show.
pub(crate) fn consumers(consumers: &[Consumer]) -> Markup {
    html! {
        @if consumers.is_empty() {
            p.faint { "No consumer group has committed a position on this port." }
        } @else {
            div.table {
                table.fields {
                    thead { tr { th { "Consumer group" } th { "Members" } th { "Behind, at most" } th { "Seen" } } }
                    tbody { @for consumer in consumers {
                        tr {
                            th scope="row" { code { (consumer.group) } }
                            td.num { (consumer.members) " (" (consumer.state.to_lowercase()) ")" }
                            td.num { (number(consumer.lag)) " events" }
                            td { (timestamp(&time_text(consumer.seen_ms))) }
                        }
                    } }
                }
            }
        }
    }
}

/// The last figures as a line, the promise as a dashed one; what it shows is said in words too.
fn sparkline(standing: &Standing) -> Markup {
    let known = || {
        standing
            .series
            .iter()
            .flatten()
            .copied()
            .filter(|figure| figure.is_finite())
    };
    let top = known().chain(standing.target).fold(0.0_f64, f64::max);
    if known().count() < 2 || top <= 0.0 {
        return html! { span.faint { "–" } };
    }
    let (low, high) = known().fold((f64::MAX, 0.0_f64), |(low, high), it| {
        (low.min(it), high.max(it))
    });
    let said = format!(
        "{} windows between {} and {} {}",
        standing.series.len(),
        figure_text(low),
        figure_text(high),
        standing.unit
    );
    let level = |figure: f64| HEIGHT - 2.0 - (HEIGHT - 4.0) * figure / top;
    html! {
        svg.spark role="img" aria-label=(said) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } width=(WIDTH) height=(HEIGHT) {
            title { (said) }
            @if let Some(target) = standing.target {
                line.target x1="0" x2=(WIDTH) y1=(round(level(target))) y2=(round(level(target))) {}
            }
            @for line in lines(&standing.series, level) { polyline points=(line) {} }
        }
    }
}

/// The points of each unbroken run of figures.
fn lines(series: &[Option<f64>], level: impl Fn(f64) -> f64) -> Vec<String> {
    let step = WIDTH / f64::from(u32::try_from(series.len().max(2) - 1).unwrap_or(u32::MAX));
    let mut lines = Vec::new();
    let mut open: Vec<String> = Vec::new();
    for (at, figure) in (0_u32..).zip(series) {
        match figure.filter(|figure| figure.is_finite()) {
            Some(figure) => {
                let x = f64::from(at) * step;
                open.push(format!("{},{}", round(x), round(level(figure))));
            }
            None if open.is_empty() => {}
            None => lines.push(std::mem::take(&mut open).join(" ")),
        }
    }
    if !open.is_empty() {
        lines.push(open.join(" "));
    }
    lines
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn seconds(ms: i64) -> f64 {
    f64::from(i32::try_from(ms).unwrap_or(i32::MAX)) / 1000.0
}

/// A figure with no more digits than it is worth.
fn figure_text(figure: f64) -> String {
    if figure.is_infinite() {
        return "for ever".to_owned();
    }
    if figure > 0.0 && figure < 0.001 {
        return "below 0.001".to_owned();
    }
    let digits = if figure.abs() < 10.0 { 1000.0 } else { 10.0 };
    ((figure * digits).round() / digits).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_where_no_window_counts() {
        let series = [Some(1.0), None, Some(2.0), Some(0.5), None];
        assert_eq!(lines(&series, |figure| figure), ["0,1", "60,2 90,0.5"]);
        assert!(lines(&[None], |figure| figure).is_empty());
    }

    #[test]
    fn figures_have_as_many_digits_as_they_are_worth() {
        assert_eq!(figure_text(0.123_456), "0.123");
        assert_eq!(figure_text(99.97), "100");
        assert_eq!(figure_text(0.000_02), "below 0.001");
        assert_eq!(figure_text(12.34), "12.3");
        assert_eq!(figure_text(f64::INFINITY), "for ever");
    }
}
