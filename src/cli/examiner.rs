//! Causal tests for the explorer, on the atlas's own network: the verdict first, then pictures, then the sweep.

use super::args::TestedNetworkArgs;
use super::{locator, patch};
use crate::atlas::{Atlas, ClassId};
use crate::causal::paste::{Paste, Pasted};
use crate::causal::picture::{self, Patch};
use crate::causal::sheet::{self, Pair};
use crate::causal::sweep::{self, RATIOS};
use crate::causal::tester::{NetworkTester, Options};
use crate::causal::told;
use crate::explorer::photographs::reduced;
use crate::explorer::worker::{Examined, Examiner, Finding, Shot, Tell};
use crate::suspects::Candidate;
use crate::suspects::claim::{Claim, Tester as _, verdict};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Images that are shown before and after.
const SHOTS: usize = 4;

/// Loads the network when the first test comes.
pub(super) struct NetworkExaminer {
    /// As the person named it, for the command that measures again.
    file: PathBuf,
    network: Option<TestedNetworkArgs>,
    folders: Vec<PathBuf>,
    atlas: Option<Arc<Atlas>>,
    tester: NetworkTester,
}

impl NetworkExaminer {
    /// `folders` are looked in first for the photographs of the atlas.
    pub(super) fn new(
        file: PathBuf,
        network: Option<TestedNetworkArgs>,
        folders: Vec<PathBuf>,
    ) -> Self {
        Self {
            tester: tester_for(network.clone(), folders.clone()),
            file,
            network,
            folders,
            atlas: None,
        }
    }

    fn candidate(&mut self, candidate: &Candidate, tell: Tell<'_>) -> Result<Claim, String> {
        let mut going = ControlFlow::Continue(());
        let mut claim = self.tester.test(candidate, &mut |estimate| {
            going = tell(Finding::Estimate(*estimate));
            going
        })?;
        claim.provenance.command = self.command(&claim, Options::default());
        let last = self.tester.last();
        if going.is_break() || tell(Finding::Claim(Box::new(claim.clone()))).is_break() {
            return Ok(claim);
        }
        if let Some((paste, pasted)) = last {
            self.behind(&mut claim, (&paste, &pasted), tell)?;
        }
        Ok(claim)
    }

    fn picture(&mut self, path: &Path, class: ClassId, tell: Tell<'_>) -> Result<Claim, String> {
        let loaded = picture::load(path).map_err(|error| error.to_string())?;
        let options = Options {
            ratio: Some(picture::RATIO),
            ..Options::default()
        };
        let lab = self.tester.lab()?;
        if usize::from(class) >= lab.network().classes.len() {
            return Err(format!("the network has no class {class}"));
        }
        let patch = Patch {
            path,
            picture: &loaded,
        };
        let mut going = ControlFlow::Continue(());
        let tested = picture::test(lab, patch, class, &options, &mut |estimate| {
            going = tell(Finding::Estimate(*estimate));
            going
        });
        let (mut claim, (paste, pasted)) = tested.map_err(|error| error.to_string())?;
        claim.provenance.command = self.command(&claim, options);
        if going.is_break() || tell(Finding::Claim(Box::new(claim.clone()))).is_break() {
            return Ok(claim);
        }
        self.behind(&mut claim, (&paste, &pasted), tell)?;
        Ok(claim)
    }

    /// What goes on behind a verdict: pictures before and after, the effect by size.
    fn behind(
        &mut self,
        claim: &mut Claim,
        (paste, pasted): (&Paste, &Pasted),
        tell: Tell<'_>,
    ) -> Result<(), String> {
        let lab = self.tester.lab()?;
        let pairs = sheet::pairs(lab, paste, &pasted.trials, SHOTS);
        let pairs = pairs.map_err(|error| error.to_string())?;
        if tell(Finding::Shots(pairs.iter().map(shot).collect())).is_break() {
            return Ok(());
        }
        let paste = Paste {
            n: pasted.trials.len(),
            ..paste.clone()
        };
        let mut going = ControlFlow::Continue(());
        let swept = sweep::sweep(lab, &paste, &RATIOS, &mut |point| {
            going = tell(Finding::Point(*point));
            going
        });
        let swept = swept.map_err(|error| error.to_string())?;
        claim.sweep = swept.points;
        // Flips at the best size count only when all sizes were tried.
        if going.is_continue()
            && let Some(first) = claim.estimates.first_mut()
        {
            first.best_flips = Some(swept.best);
            claim.verdict = verdict(&claim.estimates);
        }
        Ok(())
    }

    /// The command that measures a claim again, with the sweep that comes behind it.
    fn command(&self, claim: &Claim, options: Options) -> String {
        let quoted = |path: &Path| patch::quoted(&path.display().to_string());
        let mut beginning = format!("atlascope patch {}", quoted(&self.file));
        if let Some(network) = &self.network {
            beginning.push_str(&patch::network_flags(network));
        }
        for folder in &self.folders {
            beginning.push_str(" --images ");
            beginning.push_str(&quoted(folder));
        }
        let options = Options {
            sweep: true,
            ..options
        };
        told::command(&beginning, claim, &options)
    }
}

fn tester_for(network: Option<TestedNetworkArgs>, folders: Vec<PathBuf>) -> NetworkTester {
    let open = move |atlas: &Atlas| locator::opened(atlas, network.as_ref());
    NetworkTester::new(Box::new(open), folders, Options::default())
}

fn shot(pair: &Pair) -> Shot {
    Shot {
        before: reduced(&pair.before),
        after: reduced(&pair.after),
        probability: pair.probability,
        predicted: pair.predicted,
    }
}

impl Examiner for NetworkExaminer {
    fn atlas(&mut self, atlas: Arc<Atlas>) {
        self.tester.atlas(Arc::clone(&atlas));
        self.atlas = Some(atlas);
    }

    fn moved(&mut self, folder: &Path) {
        if self.folders.first().is_some_and(|first| first == folder) {
            return;
        }
        self.folders.insert(0, folder.to_owned());
        self.tester = tester_for(self.network.clone(), self.folders.clone());
        if let Some(atlas) = self.atlas.clone() {
            self.tester.atlas(atlas);
        }
    }

    fn ready(&mut self) {
        if self.tester.lab().is_err() {
            tracing::debug!("the network of the atlas cannot be opened yet");
        }
    }

    fn examine(&mut self, what: &Examined, tell: Tell<'_>) -> Result<Claim, String> {
        match what {
            Examined::Candidate(candidate) => self.candidate(candidate, tell),
            Examined::Picture { path, class } => self.picture(path, *class, tell),
        }
    }
}
