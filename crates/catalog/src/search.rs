//! Search over names, purposes, owners, fields and their descriptions: token prefixes, ranked, in memory.
//!
//! Every word of a query must match something of a result; where it matches says how much it counts, a whole word
//! counts more than its beginning. Results say what matched, so that a reader sees why they are there.

use crate::details::DetailsCache;
use crate::model;
use governance::mesh::Mesh;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Results given at most.
pub const MAX_RESULTS: usize = 50;
/// Matches shown of one result.
const MAX_MATCHES: usize = 4;
/// Characters shown of a long text, around its first match.
const EXCERPT: usize = 160;

/// What a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A data product.
    Product,
    /// An output port.
    Port,
    /// A contract.
    Contract,
    /// A domain.
    Domain,
    /// A team.
    Team,
}

/// A piece of text, matched or between matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether the query matched it.
    pub hit: bool,
}

/// Where a result matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Match {
    /// `name`, `purpose`, `owner`, `field`, …
    #[serde(rename = "where")]
    pub place: String,
    /// The field's path, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The text, matches marked.
    pub text: Vec<Piece>,
}

/// A result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// What it is.
    pub kind: Kind,
    /// Its identifier: product key, port address, contract id, name.
    pub id: String,
    /// Its page.
    pub href: String,
    /// A readable name.
    pub title: String,
    /// What it is for.
    pub summary: String,
    /// The better, the higher.
    pub score: u32,
    /// Where it matched.
    pub matches: Vec<Match>,
}

#[derive(Debug)]
struct Part {
    place: &'static str,
    field: Option<String>,
    text: String,
    weight: u32,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    id: String,
    href: String,
    title: String,
    summary: String,
    parts: Vec<Part>,
}

/// The words of a mesh and where they stand.
#[derive(Debug, Default)]
pub struct Index {
    entries: Vec<Entry>,
    words: BTreeMap<String, BTreeSet<(usize, usize)>>,
}

impl Index {
    /// Read a mesh.
    pub fn build(mesh: &Mesh, details: &DetailsCache) -> Self {
        let mut index = Self::default();
        index.add_products(mesh);
        index.add_ports(mesh);
        index.add_contracts(mesh, details);
        for (name, domain) in &mesh.domains {
            let state = &domain.state;
            let mut parts = parts(&[("name", 10, name), ("owner", 4, &state.owner)]);
            parts.extend(self::parts(&[("description", 3, &state.description)]));
            parts.extend(tags(&state.tags));
            index.add(
                Kind::Domain,
                name,
                format!("/#domain-{name}"),
                name,
                &state.description,
                parts,
            );
        }
        for (name, team) in &mesh.teams {
            let about = &team.state.description;
            let parts = parts(&[("name", 8, name), ("description", 2, about)]);
            index.add(
                Kind::Team,
                name,
                format!("/#team-{name}"),
                name,
                about,
                parts,
            );
        }
        index
    }

    fn add_products(&mut self, mesh: &Mesh) {
        for (key, product) in &mesh.products {
            let state = &product.state;
            let owner = model::team(mesh, &state.domain).unwrap_or_default();
            let mut parts = parts(&[
                ("name", 12, key),
                ("purpose", 5, &state.purpose),
                ("owner", 4, owner),
                ("domain", 4, &state.domain),
                ("limitations", 2, &state.limitations),
                ("usage", 2, &state.usage),
            ]);
            parts.extend(tags(&state.tags));
            let href = format!("/products/{key}");
            self.add(Kind::Product, key, href, &state.name, &state.purpose, parts);
        }
    }

    fn add_ports(&mut self, mesh: &Mesh) {
        for info in model::ports(mesh) {
            let body = info.body;
            let parts = parts(&[
                ("name", 10, &body.address),
                ("description", 4, &body.description),
            ]);
            let (href, about) = (format!("/ports/{}", body.address), &body.description);
            self.add(Kind::Port, &body.address, href, &body.address, about, parts);
        }
    }

    /// Of each major the latest version: what one would use today.
    fn add_contracts(&mut self, mesh: &Mesh, details: &DetailsCache) {
        for (id, contract) in &mesh.contracts {
            let majors: BTreeSet<u32> = contract.versions.keys().map(|v| v.major).collect();
            for (version, approved) in majors.iter().filter_map(|major| contract.latest(*major)) {
                let (state, details) = (&approved.state, details.get(approved));
                let mut parts = parts(&[
                    ("name", 10, id),
                    ("title", 8, &state.title),
                    ("purpose", 4, &state.purpose),
                    ("limitations", 2, &details.limitations),
                    ("usage", 2, &details.usage),
                ]);
                parts.extend(tags(&details.tags));
                for field in &details.fields {
                    let path = Some(field.path.clone());
                    let part = |place, text: &String, weight| Part {
                        place,
                        field: path.clone(),
                        text: text.clone(),
                        weight,
                    };
                    parts.push(part("field", &field.path, 6));
                    parts.push(part("field description", &field.description, 2));
                }
                let href = format!("/contracts/{}/{version}", crate::text::encode(id));
                let label = format!("{id}@{version}");
                self.add(
                    Kind::Contract,
                    &label,
                    href,
                    &state.title,
                    &state.purpose,
                    parts,
                );
            }
        }
    }

    fn add(
        &mut self,
        kind: Kind,
        id: &str,
        href: String,
        title: &str,
        summary: &str,
        parts: Vec<Part>,
    ) {
        let at = self.entries.len();
        for (number, part) in parts.iter().enumerate() {
            for (_, word) in words(&part.text) {
                self.words.entry(word).or_default().insert((at, number));
            }
        }
        let (id, title, summary) = (id.to_owned(), title.to_owned(), summary.to_owned());
        self.entries.push(Entry {
            kind,
            id,
            href,
            title,
            summary,
            parts,
        });
    }

    /// The best results first; none for a query without words.
    pub fn search(&self, query: &str) -> Vec<Hit> {
        let wanted: BTreeSet<String> = words(query).map(|(_, word)| word).collect();
        let mut found: Option<BTreeMap<usize, Found>> = None;
        for word in &wanted {
            let mut of_word = self.matching(word);
            if let Some(before) = found {
                of_word.retain(|at, _| before.contains_key(at));
                for (at, now) in &mut of_word {
                    if let Some(before) = before.get(at) {
                        now.score += before.score;
                        now.parts.extend(&before.parts);
                    }
                }
            }
            found = Some(of_word);
        }
        let mut hits: Vec<Hit> = found
            .unwrap_or_default()
            .into_iter()
            .map(|(at, found)| hit(&self.entries[at], &found, &wanted))
            .collect();
        hits.sort_by(|a, b| {
            b.score
                .cmp(&a.score)
                .then(a.kind.cmp(&b.kind))
                .then_with(|| a.id.cmp(&b.id))
        });
        hits.truncate(MAX_RESULTS);
        hits
    }

    /// Entries with a word that starts so, each with its best score and the parts that matched.
    fn matching(&self, prefix: &str) -> BTreeMap<usize, Found> {
        let mut found: BTreeMap<usize, Found> = BTreeMap::new();
        let from = self.words.range(prefix.to_owned()..);
        for (word, places) in from.take_while(|(word, _)| word.starts_with(prefix)) {
            let factor = if word == prefix { 2 } else { 1 };
            for (at, part) in places {
                let entry = found.entry(*at).or_default();
                let score = self.entries[*at].parts[*part].weight * factor;
                entry.score = entry.score.max(score);
                entry.parts.insert(*part);
            }
        }
        found
    }
}

#[derive(Debug, Default)]
struct Found {
    score: u32,
    parts: BTreeSet<usize>,
}

fn hit(entry: &Entry, found: &Found, wanted: &BTreeSet<String>) -> Hit {
    let mut parts: Vec<&Part> = found.parts.iter().map(|part| &entry.parts[*part]).collect();
    // What matches more of the query says better why the result is there.
    parts.sort_by_key(|part| std::cmp::Reverse((matched(&part.text, wanted), part.weight)));
    let matches = parts.into_iter().take(MAX_MATCHES).map(|part| Match {
        place: part.place.to_owned(),
        field: part.field.clone(),
        text: mark(&part.text, wanted),
    });
    Hit {
        kind: entry.kind,
        id: entry.id.clone(),
        href: entry.href.clone(),
        title: entry.title.clone(),
        summary: entry.summary.clone(),
        score: found.score,
        matches: matches.collect(),
    }
}

/// How many words of the query a text matches.
fn matched(text: &str, wanted: &BTreeSet<String>) -> usize {
    let words: Vec<String> = words(text).map(|(_, word)| word).collect();
    wanted
        .iter()
        .filter(|wanted| words.iter().any(|word| word.starts_with(*wanted)))
        .count()
}

fn parts(texts: &[(&'static str, u32, &str)]) -> Vec<Part> {
    let filled = texts.iter().filter(|(_, _, text)| !text.is_empty());
    let part = |(place, weight, text): &(&'static str, u32, &str)| Part {
        place,
        field: None,
        text: (*text).to_owned(),
        weight: *weight,
    };
    filled.map(part).collect()
}

fn tags(tags: &[String]) -> Option<Part> {
    let text = tags.join(", ");
    (!text.is_empty()).then_some(Part {
        place: "tags",
        field: None,
        text,
        weight: 4,
    })
}

/// The words of a text: runs of letters and digits, lower case, each with where it starts.
fn words(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut at = 0;
    text.split(|c: char| !c.is_alphanumeric())
        .filter_map(move |word| {
            let start = at;
            // What separates words is one character, of whatever length.
            at += word.len()
                + text[start + word.len()..]
                    .chars()
                    .next()
                    .map_or(0, char::len_utf8);
            (!word.is_empty()).then(|| (start, word.to_lowercase()))
        })
}

/// Cut a text into pieces, those that the query matched marked; a long one is cut down around its first match.
fn mark(text: &str, wanted: &BTreeSet<String>) -> Vec<Piece> {
    let hits: Vec<(usize, usize)> = words(text)
        .filter_map(|(start, word)| {
            let longest = wanted.iter().filter(|wanted| word.starts_with(*wanted));
            let chars = longest.map(|wanted| wanted.chars().count()).max()?;
            let rest = &text[start..];
            let end = rest
                .char_indices()
                .nth(chars)
                .map_or(rest.len(), |(at, _)| at);
            Some((start, start + end))
        })
        .collect();
    let (from, to) = window(text, hits.first().map_or(0, |(start, _)| *start));
    let mut pieces = Vec::new();
    let mut push = |text: &str, hit: bool| {
        if !text.is_empty() {
            pieces.push(Piece {
                text: text.to_owned(),
                hit,
            });
        }
    };
    let mut at = from;
    push(if from > 0 { "…" } else { "" }, false);
    for (start, end) in hits
        .into_iter()
        .filter(|(start, end)| *start >= from && *end <= to)
    {
        push(&text[at..start], false);
        push(&text[start..end], true);
        at = end;
    }
    push(&text[at..to], false);
    push(if to < text.len() { "…" } else { "" }, false);
    pieces
}

/// The bytes of a text to show: all of it, or an excerpt that starts a little before `hit`, cut at words.
fn window(text: &str, hit: usize) -> (usize, usize) {
    if text.len() <= EXCERPT {
        return (0, text.len());
    }
    let spaces = || {
        text.char_indices()
            .filter(|(_, c)| *c == ' ')
            .map(|(at, _)| at)
    };
    let start = if hit <= EXCERPT / 4 {
        0
    } else {
        spaces()
            .rfind(|at| *at < hit && hit - at > EXCERPT / 4)
            .map_or(0, |at| at + 1)
    };
    let end = spaces()
        .find(|at| *at > start + EXCERPT && *at > hit)
        .unwrap_or(text.len());
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::default();
        let field = |name: &str| Part {
            place: "field",
            field: Some(name.to_owned()),
            text: name.to_owned(),
            weight: 6,
        };
        let mut one = parts(&[
            ("name", 10, "flights/departures"),
            ("purpose", 4, "When flights left"),
        ]);
        one.push(field("dep_time"));
        index.add(
            Kind::Product,
            "flights/departures",
            String::new(),
            "departures",
            "",
            one,
        );
        let two = parts(&[
            ("name", 10, "billing/usage"),
            ("purpose", 4, "Priced usage per flight"),
        ]);
        index.add(
            Kind::Product,
            "billing/usage",
            String::new(),
            "usage",
            "",
            two,
        );
        index
    }

    fn ids(query: &str) -> Vec<String> {
        index()
            .search(query)
            .into_iter()
            .map(|hit| hit.id)
            .collect()
    }

    #[test]
    fn prefixes_match_whatever_the_case_and_names_rank_first() {
        assert_eq!(ids("FLIGHT"), ["flights/departures", "billing/usage"]);
        assert_eq!(ids("dep_t"), ["flights/departures"]);
        assert_eq!(ids("time flights"), ["flights/departures"]);
        assert!(ids("time usage").is_empty());
        assert!(ids("").is_empty() && ids(" - ").is_empty() && ids("zzz").is_empty());
    }

    #[test]
    fn a_hit_shows_the_field_that_matched() {
        let hits = index().search("dep_ti");
        let found = &hits[0].matches;
        let field = found
            .iter()
            .find(|m| m.place == "field")
            .expect("matched the field");
        assert_eq!(field.field.as_deref(), Some("dep_time"));
        let marked: Vec<_> = field
            .text
            .iter()
            .map(|p| (p.text.as_str(), p.hit))
            .collect();
        assert_eq!(
            marked,
            [("dep", true), ("_", false), ("ti", true), ("me", false)]
        );
    }

    #[test]
    fn marking_keeps_every_character_of_any_script() {
        for text in ["Größe über alles", "日本語 テスト İstanbul", "a–b—c ßx", ""] {
            let wanted = words("größe テ i ß").map(|(_, word)| word).collect();
            let joined: String = mark(text, &wanted).into_iter().map(|p| p.text).collect();
            assert_eq!(joined, text);
        }
        let long = "lorem ipsum ".repeat(40) + "needle" + &" dolor sit".repeat(40);
        let pieces = mark(&long, &BTreeSet::from(["needle".to_owned()]));
        assert!(
            pieces
                .iter()
                .any(|piece| piece.hit && piece.text == "needle")
        );
        assert!(pieces.iter().map(|p| p.text.len()).sum::<usize>() < 2 * EXCERPT);
    }
}
