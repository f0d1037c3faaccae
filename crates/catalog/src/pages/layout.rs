//! What every page has: header with search, banners, footer with position and time; and small pieces of markup.

use crate::api::{Site, time_text};
use crate::stats::StatsAnswer;
use crate::view::View;
use maud::{DOCTYPE, Markup, html};

/// What the shell needs to know of a page.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// Shown in the search field.
    pub(crate) query: &'a str,
    /// Which entry of the navigation is current.
    pub(crate) nav: &'a str,
}

/// A whole page.
pub(crate) fn shell(site: &Site, view: &View, page: &Page<'_>, body: &Markup) -> Markup {
    let mesh = &site.shown().mesh;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · " (mesh) }
                link rel="stylesheet" href="/assets/style.css";
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                script src="/assets/live.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (header(mesh, page))
                (banners(view))
                main id="main" { (body) }
                (footer(site, view))
            }
        }
    }
}

fn header(mesh: &str, page: &Page<'_>) -> Markup {
    let home = page.nav == "home";
    let current = |name| (page.nav == name).then_some("page");
    let catalog = current("catalog").or(home.then_some("page"));
    html! {
        header.top {
            div.bar {
                a.mark href="/" {
                    img src="/assets/icon.svg" alt="" width="22" height="22";
                    span { "Meshlog" }
                    span.mesh { (mesh) }
                }
                // The first page has a larger one.
                @if !home {
                    form.find action="/search" role="search" {
                        label.sr for="find" { "Search the catalog" }
                        input id="find" type="search" name="q" value=(page.query) autocomplete="off"
                            placeholder="Search products, fields, owners";
                    }
                }
                nav aria-label="Main" {
                    a href="/" aria-current=[catalog] { "Catalog" }
                    a href="/governance" aria-current=[current("governance")] { "Log" }
                }
            }
        }
    }
}

fn banners(view: &View) -> Markup {
    html! {
        @if let Some(why) = view.freshness.why() {
            p.banner.stale role="status" {
                strong { "This is not the present. " }
                "The last good view is shown, at position " (position(view)) ": " (why) "."
            }
        }
        p.banner.auth {
            "Authentication is off: whoever reaches this address may act."
        }
    }
}

fn position(view: &View) -> String {
    view.position()
        .map_or_else(|| "none".to_owned(), |position| position.to_string())
}

fn footer(site: &Site, view: &View) -> Markup {
    let time = view.position().map(|_| time_text(view.mesh.last_time_ms));
    html! {
        footer {
            div.bar {
                p {
                    span class={ "dot " (view.freshness.as_str()) } {}
                    "Position " strong.num { (position(view)) }
                    @if let Some(time) = time { " · last fact " (timestamp(&time)) }
                    " · " (view.freshness.as_str())
                }
                p.faint {
                    a href="/api/v1/state" { "state hash" } " · "
                    a href="/api/v1/mesh" { "API" } " · "
                    a href="/metrics" { "metrics" } " · "
                    "Meshlog " (site.shown().version)
                }
            }
        }
    }
}

/// A time, to the second, exact in the tooltip.
pub(crate) fn timestamp(rfc3339: &str) -> Markup {
    let second = rfc3339
        .split(['.', 'Z'])
        .next()
        .unwrap_or(rfc3339)
        .replace('T', " ");
    html! { time.num datetime=(rfc3339) title=(rfc3339) { (second) " UTC" } }
}

/// A number with its thousands set apart.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A counter of a port that the script keeps moving; a dash where it is not known.
pub(crate) fn counter(stats: Option<&StatsAnswer>, name: &'static str) -> Markup {
    let value = stats.map(|stats| match name {
        "accepted" => stats.accepted,
        "quarantined" => stats.quarantined,
        "shadowed" => stats.shadowed,
        "lag" => stats.lag,
        _ => stats.inbox,
    });
    let class = match (name, value) {
        ("quarantined", Some(1..)) => "num bad",
        ("lag", Some(1..)) => "num busy",
        _ => "num",
    };
    let text = value.map_or_else(|| "–".to_owned(), number);
    html! { span class=(class) data-count=(name) { (text) } }
}

/// The state of a port.
pub(crate) fn badge(state: &str) -> Markup {
    html! { span class={ "badge " (state) } { (state) } }
}

/// Text written by users: paragraphs at blank lines, nothing else interpreted.
pub(crate) fn prose(text: &str) -> Markup {
    html! {
        @for paragraph in text.split("\n\n").map(str::trim).filter(|text| !text.is_empty()) {
            p { (paragraph) }
        }
    }
}

/// A command or program to copy.
pub(crate) fn code(text: &str) -> Markup {
    html! { pre tabindex="0" { code { (text) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(336_776), "336,776");
        assert_eq!(number(1_000_000), "1,000,000");
    }

    #[test]
    fn prose_is_escaped() {
        let text = prose("<script>x</script>\n\n**two**").into_string();
        assert_eq!(text, "<p>&lt;script&gt;x&lt;/script&gt;</p><p>**two**</p>");
    }
}
