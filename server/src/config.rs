//! Configuration: defaults, then one TOML file, then environment variables, then flags; the later wins.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One line of text an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// What an operator may set. Every key may be left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on. Default `127.0.0.1:8080`.
    pub listen: Option<SocketAddr>,
    /// The data folder. Default `./data`.
    pub data: Option<PathBuf>,
    /// How log lines look.
    pub log: Option<LogFormat>,
    /// The name of the installation in access tokens. Default `thonso`.
    pub issuer: Option<String>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something that is not understood.
    #[error("the configuration file {path} is not understood: {source}")]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// An environment variable says something that is not understood.
    #[error("{name} is not understood: {value}")]
    Variable {
        /// Which.
        name: &'static str,
        /// What it says.
        value: String,
    },
}

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        toml::from_str(&text)
            .map_err(|source| ConfigError::NotUnderstood { path: path.to_owned(), source: Box::new(source) })
    }

    /// Takes the variables `THONSO_LISTEN`, `THONSO_DATA`, `THONSO_LOG` and `THONSO_ISSUER` over what is there.
    pub fn with_variables(mut self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        if let Some(value) = lookup("THONSO_LISTEN") {
            self.listen = Some(value.parse().map_err(|_| ConfigError::Variable { name: "THONSO_LISTEN", value })?);
        }
        if let Some(value) = lookup("THONSO_LOG") {
            self.log = Some(match value.as_str() {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err(ConfigError::Variable { name: "THONSO_LOG", value }),
            });
        }
        self.data = lookup("THONSO_DATA").map(PathBuf::from).or(self.data);
        self.issuer = lookup("THONSO_ISSUER").or(self.issuer);
        Ok(self)
    }

    /// Address and port to listen on.
    pub fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)))
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| PathBuf::from("data"))
    }

    /// The name of the installation in access tokens.
    pub fn issuer(&self) -> &str {
        self.issuer.as_deref().unwrap_or("thonso")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_source_wins_and_a_misspelt_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thonso.toml");
        std::fs::write(&path, "listen = \"127.0.0.1:9\"\nissuer = \"tinh\"\n").unwrap();
        let config = Config::read(&path).unwrap();
        let config = config.with_variables(|name| (name == "THONSO_LISTEN").then(|| "127.0.0.1:7".to_owned())).unwrap();
        assert_eq!((config.listen().port(), config.issuer()), (7, "tinh"));
        assert_eq!(config.data(), PathBuf::from("data"));

        std::fs::write(&path, "lisen = \"127.0.0.1:9\"\n").unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains("lisen"), "{error}");
        let bad = Config::default().with_variables(|name| (name == "THONSO_LOG").then(|| "xml".to_owned()));
        assert!(bad.is_err());
    }
}
