//! Claims in a file, or in the session beside an atlas.

use super::super::Failure;
use crate::files;
use crate::suspects::claim::Claim;
use anyhow::Context as _;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Version of a file of claims.
const VERSION: u32 = 1;

/// The claims in a file: one of claims, a report, or an explorer's session.
pub(crate) fn read(path: &Path) -> Result<Vec<Claim>, Failure> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let all: Map<String, Value> = serde_json::from_str(&text)
        .with_context(|| format!("{} holds no claims", path.display()))?;
    let Some(claims) = all.get("claims") else {
        return Err(
            Failure::failed(format!("{} holds no claims", path.display()))
                .hint("`atlascope patch --claims FILE` writes them"),
        );
    };
    let claims = serde_json::from_value(claims.clone())
        .with_context(|| format!("a claim in {} cannot be read", path.display()))?;
    Ok(claims)
}

/// Adds a claim to a file, which need not exist; one about the same feature and class is replaced.
pub(super) fn add(path: &Path, claim: Claim) -> Result<(), Failure> {
    let mut claims = if path.exists() {
        read(path)?
    } else {
        Vec::new()
    };
    let about = |claim: &Claim| {
        let s = &claim.subject;
        (
            s.cell.clone(),
            s.picture.clone(),
            s.component,
            s.class.clone(),
        )
    };
    match claims.iter_mut().find(|old| about(old) == about(&claim)) {
        Some(old) => *old = claim,
        None => claims.push(claim),
    }
    let text = serde_json::to_string_pretty(&json!({ "version": VERSION, "claims": claims }))?;
    write(path, (text + "\n").as_bytes())
}

/// Writes beside and renames, so that a file is there whole or as it was.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Ok(files::write_whole(path, bytes)
        .with_context(|| format!("cannot write {}", path.display()))?)
}
