//! Whether spans are exported, where to, and how many: `[traces]`, else OpenTelemetry's own variables.
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use figment::providers::Env;
use reqwest::Url;

use crate::config;
use crate::exit::Failure;

/// Where a collector takes spans, below its address.
const PATH: &str = "v1/traces";

/// What is exported.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    /// Where spans are posted to.
    pub(super) url: Url,
    /// Share of the traces begun here that are kept, 0 to 1.
    pub(super) sample: f64,
}

/// What is told; `None` while nobody names a collector.
///
/// # Errors
/// An address or a share that means nothing: the setting is named.
pub(super) fn told(config: &config::Traces) -> anyhow::Result<Option<Settings>> {
    let sample = config.sample;
    if !(0.0..=1.0).contains(&sample) {
        let text = format!("traces.sample is {sample}, expected a share from 0 to 1");
        return Err(Failure::Usage(text).into());
    }
    let variable = |name: &str| Env::var(name).filter(|value| !value.is_empty());
    let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|text| text == "true");
    let named = if !config.endpoint.is_empty() {
        Some(("traces.endpoint", config.endpoint.clone(), PATH))
    } else if disabled {
        None
    } else {
        // The variable for traces alone holds the whole URL, as the standard has it.
        let [traces, all] = [
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ];
        let whole = variable(traces).map(|url| (traces, url, ""));
        whole.or_else(|| variable(all).map(|url| (all, url, PATH)))
    };
    let settings = named.map(|(key, text, path)| {
        let url = url(key, &text, path)?;
        Ok(Settings { url, sample })
    });
    settings.transpose()
}

/// The URL that spans are posted to.
fn url(key: &str, text: &str, path: &str) -> anyhow::Result<Url> {
    let wrong = |why: &str| {
        // The text may hold a password.
        let example = "as http://127.0.0.1:4318, where a collector takes OTLP over HTTP";
        anyhow::Error::from(Failure::Usage(format!(
            "{key} {why}, expected a URL, {example}"
        )))
    };
    let mut url = Url::parse(text).map_err(|error| wrong(&format!("is no URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is not of http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let text =
            format!("{key} holds a password: credentials go into OTEL_EXPORTER_OTLP_HEADERS");
        return Err(Failure::Usage(text).into());
    }
    if !path.is_empty() {
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
    }
    Ok(url)
}

#[cfg(test)]
#[expect(
    clippy::result_large_err,
    reason = "figment's jail wants its own error"
)]
mod tests {
    use super::*;

    fn of(endpoint: &str, sample: f64) -> anyhow::Result<Option<Settings>> {
        let endpoint = endpoint.to_owned();
        told(&config::Traces { endpoint, sample })
    }

    /// Where spans go, with the environment as it is.
    fn goes(endpoint: &str) -> Option<String> {
        let settings = of(endpoint, 1.0).expect("means something");
        settings.map(|settings| settings.url.to_string())
    }

    #[test]
    fn the_setting_goes_before_the_variables_and_the_nearer_variable_before_the_other() {
        figment::Jail::expect_with(|jail| {
            jail.clear_env();
            assert_eq!(goes(""), None);
            jail.set_env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://all:4318/otlp/");
            assert_eq!(goes("").as_deref(), Some("https://all:4318/otlp/v1/traces"));
            jail.set_env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://one/spans");
            assert_eq!(goes("").as_deref(), Some("http://one/spans"));
            jail.set_env("OTEL_SDK_DISABLED", "true");
            assert_eq!(goes(""), None);
            let set = goes("http://127.0.0.1:4318");
            assert_eq!(set.as_deref(), Some("http://127.0.0.1:4318/v1/traces"));
            Ok(())
        });
    }

    #[test]
    fn what_means_nothing_is_refused_by_its_name() {
        let said = |endpoint: &str, sample: f64| {
            let error = of(endpoint, sample).expect_err("means nothing");
            assert!(matches!(error.downcast_ref(), Some(Failure::Usage(_))));
            error.to_string()
        };
        for endpoint in ["collector:4318", "4318", "grpc://c:4317", "http://"] {
            assert!(
                said(endpoint, 1.0).contains("traces.endpoint"),
                "{endpoint}"
            );
        }
        let secret = said("http://me:hidden@collector:4318", 1.0);
        assert!(secret.contains("OTEL_EXPORTER_OTLP_HEADERS"), "{secret}");
        assert!(!secret.contains("hidden"), "{secret}");
        for sample in [-0.1, 1.1, f64::NAN] {
            assert!(said("", sample).contains("traces.sample"), "{sample}");
        }
    }
}
